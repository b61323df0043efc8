// Package myeid is a software chip that speaks as MyEID cards do: files created with access nibbles that bite once the card is activated, a PIN, and a P-256 key pair made on
// the chip that signs and never comes out.
//
// It is the project's own and holds only what the profile myeid uses. OsEID, an open card in C by other hands, was tried beside it through pcscd: what OsEID answered stands in
// testdata, and this chip must answer the same. It must not import cardsim.
package myeid
