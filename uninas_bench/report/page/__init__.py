"""The report: one HTML file that opens anywhere. Evidence -> `views` -> templates -> `writing`."""
