"""What a request says, in each of the languages that the collector takes."""
