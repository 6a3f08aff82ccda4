"""The collector's HTTP: an RSGI application, as plain as its rate asks for."""
