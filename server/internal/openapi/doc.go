// Package openapi holds the description of the wire that the server shows at /openapi.json.
//
// The file is made by this package's test from the table of routes and the types of package api, with the words of their comments; a test refuses a stale one,
// and package openapitest holds live requests and replies to it. It imports nothing.
package openapi

import _ "embed"

// JSON is the document, OpenAPI 3.0.
//
//go:embed openapi.json
var JSON []byte
