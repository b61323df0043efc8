//go:build !linux

package main

import "errors"

// askSecret has no way of hiding what is typed here.
func askSecret(string) (string, error) { return "", errors.New("use --passphrase-file on this system") }
