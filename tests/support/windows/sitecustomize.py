"""Python reads this at its start where the folder is in PYTHONPATH: child processes then keep to the same rules as the tests."""

import windows_rules

windows_rules.install()
