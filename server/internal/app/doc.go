// Package app puts the server together: configuration, commands, the order of starting and stopping. It owns no rule and no text for users; everything it
// wires is made by the other packages. It is the only package that knows all of them, and nothing imports it but server/main.go and end-to-end tests.
package app
