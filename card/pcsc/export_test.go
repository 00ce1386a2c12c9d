package pcsc

// Driver returns the backend of System.
var Driver = system
