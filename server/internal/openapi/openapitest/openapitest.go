// Package openapitest holds live requests and replies to the document at /openapi.json.
package openapitest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"xueji/server/api"
	"xueji/server/internal/openapi"
	"xueji/server/registry"
)

// Checker is a transport that fails the test when what it carries is not what the document says: a path or member that is not in it, a body of another shape, a
// problem code that the route does not name.
type Checker struct {
	t      testing.TB
	router routers.Router
	codes  map[string][]registry.Code

	mu   sync.Mutex
	done map[string]bool
}

// New is a checker over the server's own document, made strict: members it does not name are wrong.
func New(t testing.TB) *Checker {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(openapi.JSON)
	if err != nil {
		t.Fatal(err)
	}
	no := false
	for _, s := range doc.Components.Schemas {
		s.Value.AdditionalProperties = openapi3.AdditionalProperties{Has: &no}
	}
	router, err := legacy.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	c := &Checker{t: t, router: router, codes: map[string][]registry.Code{}, done: map[string]bool{}}
	for _, r := range api.Routes() {
		c.codes[r.Method+" "+r.Path] = slices.Concat(r.Codes, api.CommonCodes)
	}
	return c
}

// Client is an HTTP client that carries through c.
func (c *Checker) Client() *http.Client { return &http.Client{Transport: c} }

// Done are the routes whose good replies were checked, sorted.
func (c *Checker) Done() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for r := range c.done {
		out = append(out, r)
	}
	slices.Sort(out)
	return out
}

func (c *Checker) RoundTrip(req *http.Request) (*http.Response, error) {
	var sent []byte
	if req.Body != nil {
		sent, _ = io.ReadAll(req.Body)
		req.Body = io.NopCloser(bytes.NewReader(sent))
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil || !strings.HasPrefix(req.URL.Path, "/v1/") {
		return resp, err
	}
	got, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(got))
	if err != nil {
		return resp, err
	}
	c.check(req, sent, resp, got)
	return resp, nil
}

func (c *Checker) check(req *http.Request, sent []byte, resp *http.Response, got []byte) {
	name := req.Method + " " + req.URL.Path
	at := &http.Request{Method: req.Method, URL: &url.URL{Path: req.URL.Path, RawQuery: req.URL.RawQuery}, Header: req.Header, Body: io.NopCloser(bytes.NewReader(sent))}
	route, params, err := c.router.FindRoute(at)
	if err != nil {
		c.t.Errorf("%s is not in openapi.json: %v", name, err)
		return
	}
	in := &openapi3filter.RequestValidationInput{Request: at, PathParams: params, Route: route, Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc}}
	if err := openapi3filter.ValidateRequest(context.Background(), in); err != nil && resp.StatusCode < 300 {
		c.t.Errorf("%s was taken, and openapi.json refuses it: %.600s", name, err)
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: resp.StatusCode, Header: resp.Header}
	if err := openapi3filter.ValidateResponse(context.Background(), out.SetBodyBytes(got)); err != nil {
		c.t.Errorf("the reply of %s (%d) is not what openapi.json says: %.600s", name, resp.StatusCode, err)
	}
	if resp.StatusCode < 300 {
		c.mu.Lock()
		c.done[name] = true
		c.mu.Unlock()
		return
	}
	var p api.Problem
	if err := json.Unmarshal(got, &p); err != nil || !slices.Contains(c.codes[name], p.Code) {
		c.t.Errorf("%s answers %d with the code %q, which the table of routes does not name", name, resp.StatusCode, p.Code)
	}
}
