// Package faultmatrix runs the operations of programs on a card once for each
// command and each fault at that command.
//
// A [Card] is a row of the matrix: a kind of card and its contents. An
// [Operation] is what a program does with it. A [Backend] connects to the card.
// [Run] performs each operation without a fault, to count its commands, and then
// once for every command and every [Fault].
//
// In every case must hold:
//
//   - The result is right, or there is an error of a documented kind that names
//     the reader.
//   - No certificate, name, signature or plain text is wrong.
//   - The operation spends no more retries of the PIN than it asked for PINs, and
//     none with the right PIN.
//   - No transaction and no verified PIN is left. Another program can list,
//     unlock and sign afterwards.
package faultmatrix
