package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"

	"xueji/server/api"
	"xueji/server/internal/audit"
	"xueji/server/internal/openapi"
	"xueji/server/internal/pki"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// nonces remembers the nonces of the last two spans, each as long as a clock may be off both ways. It is this process's memory: behind several servers a
// request could be replayed once at each, which the idempotence of what devices send makes harmless.
type nonces struct {
	mu     sync.Mutex
	now    map[string]struct{}
	before map[string]struct{}
	turned time.Time
}

// fresh reports whether a nonce was not seen before, and remembers it.
func (n *nonces) fresh(key string, at time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.now == nil || at.Sub(n.turned) >= 2*api.MaxClockSkew {
		n.before, n.now, n.turned = n.now, map[string]struct{}{}, at
	}
	if _, ok := n.now[key]; ok {
		return false
	}
	if _, ok := n.before[key]; ok {
		return false
	}
	n.now[key] = struct{}{}
	return true
}

func unauthorised(why string) error {
	return &registry.Error{Code: registry.CodeForbidden, Params: map[string]string{"why": why}}
}

// device authenticates a kiosk by its signature over the request (package api). What fails is counted; an unknown kiosk looks like a wrong signature.
func (w *server) device(c *fiber.Ctx) error {
	err := w.authenticate(c)
	if err != nil {
		w.metrics.event("device_auth", string(registry.CodeOf(err)))
		return err
	}
	return c.Next()
}

func (w *server) authenticate(c *fiber.Ctx) error {
	a, err := api.ParseDeviceAuth(c.Get(api.HeaderDevice))
	if err != nil {
		return unauthorised("signature")
	}
	now := w.now()
	if d := now.Sub(a.At); d > api.MaxClockSkew || d < -api.MaxClockSkew {
		return unauthorised("clock")
	}
	k, err := w.svc.Kiosk(c.UserContext(), a.Kiosk)
	if registry.CodeOf(err) == registry.CodeNotFound {
		return unauthorised("signature")
	}
	if err != nil {
		return err
	}
	if !a.Verify(k.PublicKey, c.Method(), string(c.Request().RequestURI()), c.Request().Body()) {
		return unauthorised("signature")
	}
	if !w.nonces.fresh(a.Kiosk+" "+a.Nonce, now) {
		return unauthorised("nonce")
	}
	if !w.certified(c, k) {
		return unauthorised("certificate")
	}
	c.Locals("kiosk", k)
	c.SetUserContext(audit.WithPlace(c.UserContext(), audit.Place{Net: audit.Network(c.IP())}))
	return nil
}

// certified reports whether the connection is the device's own: where this server ends TLS, and wherever the operator wants it, a request's signature is not
// enough. The one path without is the one on which a certificate is asked for.
func (w *server) certified(c *fiber.Ctx, k store.Kiosk) bool {
	tc := c.Context().TLSConnectionState()
	if tc == nil && !w.opt.DeviceCerts || c.Path() == api.PathCertificate {
		return true
	}
	return tc != nil && len(tc.VerifiedChains) > 0 && pki.IsDevice(tc.VerifiedChains[0][0], k.ID, k.PublicKey)
}

func kioskOf(c *fiber.Ctx) store.Kiosk {
	k, _ := c.Locals("kiosk").(store.Kiosk)
	return k
}

// body decodes a JSON body; anything else is refused before it is looked at.
func body(c *fiber.Ctx, into any) error {
	if t, _, err := mime.ParseMediaType(c.Get(fiber.HeaderContentType)); err != nil || t != fiber.MIMEApplicationJSON {
		return &registry.Error{Code: registry.CodeInvalid, Field: "content-type", Params: map[string]string{"why": "media"}}
	}
	dec := json.NewDecoder(bytes.NewReader(c.Request().Body()))
	if err := dec.Decode(into); err != nil || dec.More() {
		return &registry.Error{Code: registry.CodeInvalid, Field: "body"}
	}
	return nil
}

// bound is a handler with the types of its bodies, nil for none: New holds them to the table of routes.
type bound struct {
	in, out reflect.Type
	run     fiber.Handler
}

// call is a handler of one request type and one answer type.
func call[In, Out any](f func(c *fiber.Ctx, in In) (Out, error)) bound {
	return bound{in: typeOf[In](), out: typeOf[Out](), run: func(c *fiber.Ctx) error {
		var in In
		if !safe(c.Method()) {
			if err := body(c, &in); err != nil {
				return err
			}
		}
		out, err := f(c, in)
		if err != nil {
			return err
		}
		c.Set(fiber.HeaderCacheControl, "no-store")
		return c.JSON(out)
	}}
}

type none struct{}

func typeOf[T any]() reflect.Type {
	if t := reflect.TypeFor[T](); t != reflect.TypeFor[none]() {
		return t
	}
	return nil
}

// handlers answer the table's routes, by method and path.
func (w *server) handlers() map[string]bound {
	s := w.svc
	return map[string]bound{
		http.MethodPost + " " + api.PathEnrol: call(func(c *fiber.Ctx, in api.EnrolRequest) (api.EnrolReply, error) {
			return s.EnrolKiosk(c.UserContext(), in)
		}),
		http.MethodPost + " " + api.PathBatches: call(func(c *fiber.Ctx, in api.Batch) (api.Receipt, error) {
			return s.Ingest(c.UserContext(), kioskOf(c), in)
		}),
		http.MethodGet + " " + api.PathOutcomes: call(func(c *fiber.Ctx, _ none) ([]api.Outcome, error) {
			after, err := strconv.ParseUint(c.Query("after", "0"), 10, 63)
			if err != nil {
				return nil, &registry.Error{Code: registry.CodeInvalid, Field: "after"}
			}
			return s.Outcomes(c.UserContext(), kioskOf(c), after)
		}),
		http.MethodGet + " " + api.PathTrust: call(func(c *fiber.Ctx, _ none) (api.Trust, error) { return s.DeviceTrust(c.UserContext(), kioskOf(c)) }),
		http.MethodGet + " " + api.PathDirectory: call(func(c *fiber.Ctx, _ none) (api.Directory, error) {
			return s.DeviceDirectory(c.UserContext(), kioskOf(c))
		}),
		http.MethodPost + " " + api.PathSignIn: call(func(c *fiber.Ctx, in api.SignIn) (api.StaffSession, error) {
			return s.DeviceSignIn(c.UserContext(), kioskOf(c), in)
		}),
		http.MethodPost + " " + api.PathStatus: call(func(c *fiber.Ctx, in api.StatusRequest) (api.StatusReply, error) {
			return s.Status(c.UserContext(), kioskOf(c), in)
		}),
		http.MethodPost + " " + api.PathConsignment: call(func(c *fiber.Ctx, in api.ConsignmentRequest) (api.Consignment, error) {
			return s.Consignment(c.UserContext(), kioskOf(c), in)
		}),
		http.MethodPost + " " + api.PathRefresh: call(func(c *fiber.Ctx, in api.RefreshRequest) (api.RefreshReply, error) {
			return s.Refresh(c.UserContext(), kioskOf(c), in)
		}),
		http.MethodPost + " " + api.PathPupils: call(func(c *fiber.Ctx, in api.PupilsRequest) (api.PupilsReply, error) {
			return s.PupilsAt(c.UserContext(), kioskOf(c), in)
		}),
		http.MethodPost + " " + api.PathLost: call(func(c *fiber.Ctx, in api.LostRequest) (api.CardMoved, error) {
			return s.LostAt(c.UserContext(), kioskOf(c), in)
		}),
		http.MethodPost + " " + api.PathFound: call(func(c *fiber.Ctx, in api.FoundRequest) (api.CardMoved, error) {
			return s.FoundAt(c.UserContext(), kioskOf(c), in)
		}),
		http.MethodPost + " " + api.PathCertificate: call(func(c *fiber.Ctx, in api.CertificateRequest) (api.CertificateReply, error) {
			return s.DeviceCertificate(c.UserContext(), kioskOf(c), in)
		}),
		http.MethodPost + " " + api.PathHeartbeat: call(func(c *fiber.Ctx, in api.Heartbeat) (api.HeartbeatReply, error) {
			return s.Heartbeat(c.UserContext(), kioskOf(c), in)
		}),
		http.MethodPost + " " + api.PathExchange: call(func(c *fiber.Ctx, in api.ExchangeRequest) (api.ExchangeReply, error) {
			receipt, err := s.TakeMessage(audit.WithPlace(c.UserContext(), audit.Place{Net: audit.Network(c.IP())}), in.Message, c.IP())
			return api.ExchangeReply{Receipt: receipt}, err
		}),
		http.MethodPost + " " + api.PathOrder:      call(func(c *fiber.Ctx, in api.OrderRequest) (api.Order, error) { return s.Order(c.UserContext(), in) }),
		http.MethodPost + " " + api.PathReport:     call(func(c *fiber.Ctx, in api.Report) (api.ReportReply, error) { return s.Report(c.UserContext(), in) }),
		http.MethodGet + " " + api.PathRevocations: call(func(c *fiber.Ctx, _ none) (api.Revocations, error) { return s.Revocations(c.UserContext()) }),
		http.MethodGet + " " + api.PathMinimums:    call(func(c *fiber.Ctx, _ none) (api.Minimums, error) { return s.Minimums(c.UserContext()) }),
		http.MethodPut + " " + api.PathStatusList: call(func(c *fiber.Ctx, in api.SignedList) (none, error) {
			return none{}, s.PutStatusList(c.UserContext(), in)
		}),
		http.MethodPut + " " + api.PathCerts: call(func(c *fiber.Ctx, in api.Certificates) (none, error) {
			return none{}, s.PutCertificates(c.UserContext(), in)
		}),
		http.MethodGet + " " + api.PathDevices: call(func(c *fiber.Ctx, _ none) ([]api.Device, error) { return s.IssuerDevices(c.UserContext()) }),
		http.MethodGet + " " + api.PathEpochs:  call(func(c *fiber.Ctx, _ none) (api.Epochs, error) { return s.Epochs(c.UserContext()) }),
		http.MethodPut + " " + api.PathEpochs:  call(func(c *fiber.Ctx, in api.Epochs) (none, error) { return none{}, s.PutEpochs(c.UserContext(), in) }),
		http.MethodGet + " " + api.PathRoll: call(func(c *fiber.Ctx, _ none) (api.Roll, error) {
			limit, err := strconv.ParseUint(c.Query("limit", "0"), 10, 31)
			if err != nil {
				return api.Roll{}, &registry.Error{Code: registry.CodeInvalid, Field: "limit"}
			}
			return s.Roll(c.UserContext(), clientOf(c), c.Query("after"), int(limit))
		}),
		http.MethodPost + " " + api.PathNewcomers: call(func(c *fiber.Ctx, in api.Newcomer) (api.NewcomerReply, error) {
			return s.HandIn(c.UserContext(), clientOf(c), in)
		}),
		http.MethodGet + " " + api.PathNewcomers: call(func(c *fiber.Ctx, _ none) (api.NewcomerReply, error) {
			return s.HandedIn(c.UserContext(), clientOf(c), c.Query("ref"))
		}),
		http.MethodPost + " " + api.PathLookup: call(func(c *fiber.Ctx, in api.LookupRequest) (api.LookupReply, error) {
			return s.LookUp(c.UserContext(), clientOf(c), in)
		}),
		http.MethodPut + " " + api.PathSealedKeys: call(func(c *fiber.Ctx, in api.SealedKeys) (none, error) {
			return none{}, s.PutSealedKeys(c.UserContext(), in)
		}),
	}
}

// mountAPI registers every route of the table in package api under the guard it names, and nothing else below /v1.
func (w *server) mountAPI(r fiber.Router) error {
	handlers := w.handlers()
	guards := map[api.Caller]fiber.Handler{api.ByDevice: w.device, api.ByIssuer: w.issuer, api.ByClient: w.client}
	for _, route := range api.Routes() {
		name := route.Method + " " + route.Path
		h, ok := handlers[name]
		if !ok || h.in != reflect.TypeOf(route.In) || h.out != reflect.TypeOf(route.Out) {
			return fmt.Errorf("web: %s: the table says %T → %T, the handler %v → %v", name, route.In, route.Out, h.in, h.out)
		}
		delete(handlers, name)
		var chain []fiber.Handler
		if guard := guards[route.Who]; guard != nil {
			chain = append(chain, guard)
		} else if route.Who != api.ByCode && route.Who != api.ByPeer {
			return fmt.Errorf("web: %s: no guard for %q", name, route.Who)
		}
		if route.Slow {
			chain = append(chain, w.slow)
		}
		r.Add(route.Method, route.Path, append(chain, h.run)...)
	}
	for name := range handlers {
		return fmt.Errorf("web: %s is not in the table of routes", name)
	}
	r.Get("/openapi.json", func(c *fiber.Ctx) error {
		c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
		return c.Send(openapi.JSON)
	})
	r.All("/v1/*", func(c *fiber.Ctx) error { return fiber.NewError(http.StatusNotFound) })
	return nil
}

// issuer authenticates the issuer by its bearer token, and where the operator wants it by the certificate of its line.
func (w *server) issuer(c *fiber.Ctx) error {
	got, ok := strings.CutPrefix(c.Get(fiber.HeaderAuthorization), "Bearer ")
	if !ok || !api.SameToken(got, w.opt.IssuerToken) {
		w.metrics.event("issuer_auth", "refused")
		return unauthorised("token")
	}
	if tc := c.Context().TLSConnectionState(); w.opt.IssuerCert && (tc == nil || len(tc.VerifiedChains) == 0 || !pki.IsIssuer(tc.VerifiedChains[0][0])) {
		w.metrics.event("issuer_auth", "certificate")
		return unauthorised("certificate")
	}
	return c.Next()
}
