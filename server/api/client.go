package api

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"xueji/server/registry"
)

// maxReply bounds what a client reads of a reply, in bytes: trust and directory of a province fit.
const maxReply = 32 << 20

// transport is what both clients share: one request, one reply, problems turned back into domain errors.
type transport struct {
	base  string
	http  *http.Client
	lang  string
	adorn func(req *http.Request, pathQuery string, body []byte)
}

func newTransport(base string, h *http.Client) transport {
	if h == nil {
		h = NewHTTPClient(nil)
	}
	return transport{base: strings.TrimRight(base, "/"), http: h}
}

// do sends in (nil: no body) and decodes into out (nil: none). Errors are *registry.Error: the server's problem, or CodeUnavailable when it could not be
// reached or did not answer in our language; then nothing is known of what happened there, and the call may be repeated.
func (t *transport) do(ctx context.Context, method, path string, in, out any) error {
	var body []byte
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return &registry.Error{Code: registry.CodeInternal, Err: err}
		}
		body = b
	}
	req, err := http.NewRequestWithContext(ctx, method, t.base+path, bytes.NewReader(body))
	if err != nil {
		return &registry.Error{Code: registry.CodeInternal, Err: err}
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", "application/json")
	if t.lang != "" {
		req.Header.Set("Accept-Language", t.lang)
	}
	// The signature covers the path as it stands on the wire, so a server behind a path prefix sees what was signed.
	t.adorn(req, req.URL.RequestURI(), body)
	resp, err := t.http.Do(req)
	if err != nil {
		return &registry.Error{Code: registry.CodeUnavailable, Err: err}
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
	if err != nil {
		return &registry.Error{Code: registry.CodeUnavailable, Err: err}
	}
	if len(raw) > maxReply {
		return &registry.Error{Code: registry.CodeUnavailable, Err: errors.New("api: reply too large")}
	}
	if resp.StatusCode/100 != 2 {
		return problemError(resp.StatusCode, raw)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return &registry.Error{Code: registry.CodeUnavailable, Err: fmt.Errorf("api: reply of %s: %w", path, err)}
	}
	return nil
}

// ProblemError carries the server's whole problem (title and help in the caller's language) beneath a *registry.Error.
type ProblemError struct{ Problem Problem }

func (e *ProblemError) Error() string {
	return fmt.Sprintf("server answered %d %s (ref %s)", e.Problem.Status, e.Problem.Code, e.Problem.Ref)
}

func problemError(status int, raw []byte) error {
	var p Problem
	if json.Unmarshal(raw, &p) != nil || p.Code == "" {
		// Not our server's words (a proxy's page): nothing is known of what happened.
		return &registry.Error{Code: registry.CodeUnavailable, Err: fmt.Errorf("api: HTTP status %d without a problem", status)}
	}
	return &registry.Error{Code: p.Code, Field: p.Field, Params: p.Params, Err: &ProblemError{p}}
}

// DeviceClient is a kiosk's way to the server. It is safe for concurrent use. All errors are *registry.Error.
type DeviceClient struct {
	t     transport
	kiosk string
}

// NewDeviceClient signs every request as kiosk with key. now is the clock; h may be nil for one with sane time-outs.
func NewDeviceClient(base, kiosk string, key ed25519.PrivateKey, now func() time.Time, h *http.Client) *DeviceClient {
	t := newTransport(base, h)
	t.adorn = func(req *http.Request, pathQuery string, body []byte) {
		req.Header.Set(HeaderDevice, SignRequest(kiosk, key, req.Method, pathQuery, now(), body))
	}
	return &DeviceClient{t: t, kiosk: kiosk}
}

// Enrol makes this machine a kiosk by a one-time code.
func Enrol(ctx context.Context, base string, r EnrolRequest, h *http.Client) (EnrolReply, error) {
	t := newTransport(base, h)
	t.adorn = func(*http.Request, string, []byte) {}
	var out EnrolReply
	err := t.do(ctx, http.MethodPost, PathEnrol, r, &out)
	return out, err
}

// Send delivers a signed batch. The receipt is not verified here: see Receipt.Verify.
func (c *DeviceClient) Send(ctx context.Context, b Batch) (out Receipt, err error) {
	err = c.t.do(ctx, http.MethodPost, PathBatches, b, &out)
	return out, err
}

// Outcomes fetches what became of events after a sequence number, in order.
func (c *DeviceClient) Outcomes(ctx context.Context, after uint64) (out []Outcome, err error) {
	err = c.t.do(ctx, http.MethodGet, PathOutcomes+"?after="+strconv.FormatUint(after, 10), nil, &out)
	return out, err
}

// Trust fetches certificates, status list and this device's sealed reading keys.
func (c *DeviceClient) Trust(ctx context.Context) (out Trust, err error) {
	err = c.t.do(ctx, http.MethodGet, PathTrust, nil, &out)
	return out, err
}

// Directory fetches the names of schools and offices.
func (c *DeviceClient) Directory(ctx context.Context) (out Directory, err error) {
	err = c.t.do(ctx, http.MethodGet, PathDirectory, nil, &out)
	return out, err
}

// SignIn signs a member of staff in at this kiosk for 10 minutes.
func (c *DeviceClient) SignIn(ctx context.Context, s SignIn) (out StaffSession, err error) {
	err = c.t.do(ctx, http.MethodPost, PathSignIn, s, &out)
	return out, err
}

// Status is what a family may see of the tapped pupil.
func (c *DeviceClient) Status(ctx context.Context, r StatusRequest) (out StatusReply, err error) {
	err = c.t.do(ctx, http.MethodPost, PathStatus, r, &out)
	return out, err
}

// Consignment is the inventory behind a scanned archive QR.
func (c *DeviceClient) Consignment(ctx context.Context, r ConsignmentRequest) (out Consignment, err error) {
	err = c.t.do(ctx, http.MethodPost, PathConsignment, r, &out)
	return out, err
}

// Refresh asks whether the tapped card is behind the register, and for a ticket to rewrite it.
func (c *DeviceClient) Refresh(ctx context.Context, r RefreshRequest) (out RefreshReply, err error) {
	err = c.t.do(ctx, http.MethodPost, PathRefresh, r, &out)
	return out, err
}

// Certificate asks for a fresh device certificate; the request's signature is the proof, and a certificate that ran out is no hindrance.
func (c *DeviceClient) Certificate(ctx context.Context, r CertificateRequest) (out CertificateReply, err error) {
	err = c.t.do(ctx, http.MethodPost, PathCertificate, r, &out)
	return out, err
}

// Heartbeat reports health and learns the server's time.
func (c *DeviceClient) Heartbeat(ctx context.Context, h Heartbeat) (out HeartbeatReply, err error) {
	err = c.t.do(ctx, http.MethodPost, PathHeartbeat, h, &out)
	return out, err
}

// IssuerClient is the issuer's way to the server. It is safe for concurrent use. All errors are *registry.Error.
type IssuerClient struct{ t transport }

// NewIssuerClient authenticates by the bearer token; h may be nil.
func NewIssuerClient(base, token string, h *http.Client) *IssuerClient {
	t := newTransport(base, h)
	t.adorn = func(req *http.Request, _ string, _ []byte) { req.Header.Set("Authorization", "Bearer "+token) }
	return &IssuerClient{t: t}
}

// Order redeems a ticket for the chip on the reader; repeating it for the same chip gives the same order (resume).
func (c *IssuerClient) Order(ctx context.Context, r OrderRequest) (out Order, err error) {
	err = c.t.do(ctx, http.MethodPost, PathOrder, r, &out)
	return out, err
}

// Report tells how an issuance stands; durable on return, and may be repeated.
func (c *IssuerClient) Report(ctx context.Context, r Report) (out ReportReply, err error) {
	err = c.t.do(ctx, http.MethodPost, PathReport, r, &out)
	return out, err
}

// Revocations is what the next status list must say.
func (c *IssuerClient) Revocations(ctx context.Context) (out Revocations, err error) {
	err = c.t.do(ctx, http.MethodGet, PathRevocations, nil, &out)
	return out, err
}

// Minimums are the least good sequences that the next status list must carry.
func (c *IssuerClient) Minimums(ctx context.Context) (out Minimums, err error) {
	err = c.t.do(ctx, http.MethodGet, PathMinimums, nil, &out)
	return out, err
}

// PutStatusList publishes a signed list; a lower number than the published one is a conflict.
func (c *IssuerClient) PutStatusList(ctx context.Context, l SignedList) error {
	return c.t.do(ctx, http.MethodPut, PathStatusList, l, nil)
}

// PutCertificates publishes roots and issuing-key certificates.
func (c *IssuerClient) PutCertificates(ctx context.Context, l Certificates) error {
	return c.t.do(ctx, http.MethodPut, PathCerts, l, nil)
}

// Devices lists kiosks that may hold reading keys.
func (c *IssuerClient) Devices(ctx context.Context) (out []Device, err error) {
	err = c.t.do(ctx, http.MethodGet, PathDevices, nil, &out)
	return out, err
}

// Epochs tells what the server knows of epochs, and how many good cards stand on each.
func (c *IssuerClient) Epochs(ctx context.Context) (out Epochs, err error) {
	err = c.t.do(ctx, http.MethodGet, PathEpochs, nil, &out)
	return out, err
}

// PutEpochs says which epoch is the newest and which are kept; the keys of others are forgotten. A newest below the one known is a conflict.
func (c *IssuerClient) PutEpochs(ctx context.Context, e Epochs) error {
	return c.t.do(ctx, http.MethodPut, PathEpochs, e, nil)
}

// PutSealedKeys leaves reading keys sealed to devices.
func (c *IssuerClient) PutSealedKeys(ctx context.Context, k SealedKeys) error {
	return c.t.do(ctx, http.MethodPut, PathSealedKeys, k, nil)
}
