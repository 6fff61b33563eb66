"""The command line: one thin file a command; parse, call the library, print, exit code."""
