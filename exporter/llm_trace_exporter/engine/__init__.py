"""The engine: everything that counts, wired from the settings, without listeners."""
