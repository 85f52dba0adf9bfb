"""Needs a module that nobody has: the host must say so, and go on."""

import a_module_that_nobody_has

PROXIES = a_module_that_nobody_has.PROXIES
