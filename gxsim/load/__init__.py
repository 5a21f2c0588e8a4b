"""From files to nouns: parse, refuse what is unknown, fill defaults, resolve units; errors say file:line:path."""
