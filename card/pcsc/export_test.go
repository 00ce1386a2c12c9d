package pcsc

// System under the interface that package card stands on.
var Driver = system
