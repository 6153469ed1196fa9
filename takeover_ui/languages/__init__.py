"""The texts that a player sees while driving: one module for each language, named by its code.

To add a language, copy ``en.py`` to a module named by its two-letter code (``fr.py``) and translate what stands in quotes; it can
then be set (``language`` in ``[overlay]``). A text with several forms is a tuple, in the order in which ``plural`` numbers them.
Placeholders in braces stay as they are, except that a form for one thing alone may omit its number. ``tests/takeover_ui`` checks
that nothing is missing.
"""
