"""What can be said about who sent an event, and from where, without following anybody around."""
