"""The collector: what browsers and servers tell over HTTP becomes records."""
