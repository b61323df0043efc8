// Command kiosk is what a family and a registrar stand before: it reads the student card through this machine's card service, asks one question a screen and
// hands the answer to the register as a signed, numbered event. It works offline: events wait in a durable outbox and leave it only on the server's receipt.
//
// The room owns its pages, its outbox and its device keys. It must not import the issuer, go-redis or scard; of the server it imports the wire (server/api),
// the pure domain (server/registry) and the papers (server/document), of the card room localapi and credential.
package main
