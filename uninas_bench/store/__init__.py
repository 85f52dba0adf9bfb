"""The score store: the durable table of component values."""
