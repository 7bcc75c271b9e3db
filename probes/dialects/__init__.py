"""One file per wire format, all of one inner shape: build a request, read a reply or a stream, explain an error."""
