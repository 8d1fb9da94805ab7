"""Totals: a Plugboard plugin without Plugboard's SDK, after docs/plugin-protocol.md."""
