"""What the settings window says, one module a language, beside the words of `takeover_ui.languages`."""
