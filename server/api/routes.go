package api

import (
	"net/http"

	"xueji/server/registry"
)

// Caller is who may call a route, and so how the request is proved.
type Caller string

const (
	ByCode   Caller = "code"   // anyone who holds a one-time code
	ByDevice Caller = "device" // an enrolled kiosk: header Xueji-Device, and its certificate where the server asks for it
	ByIssuer Caller = "issuer" // the issuer: bearer token
	ByClient Caller = "client" // another system: HTTP Basic with its id and secret
	ByPeer   Caller = "peer"   // another province's register: the message is signed (docs/exchange.md)
)

// Route is one path of the wire. The server registers exactly these, with the guard that Who names, and openapi.json is made of them.
type Route struct {
	Method, Path string
	Who          Caller
	Summary      string
	Query        []Query
	In, Out      any // zero values of the bodies' types; nil: none (Out: an empty object)
	// Slow bounds failed attempts from one device, or from one address where the caller is not known yet (forbidden, why=wait).
	Slow bool
	// Codes are the problems a caller must expect beside CommonCodes.
	Codes []registry.Code
}

// Query is a parameter of the address.
type Query struct {
	Name, Summary string
	Integer       bool
}

// CommonCodes may answer any call: not proved who asks or not theirs, a body that is none, a part that is down, a fault.
var CommonCodes = []registry.Code{registry.CodeForbidden, registry.CodeInvalid, registry.CodeUnavailable, registry.CodeInternal}

// Routes is the whole wire.
func Routes() []Route {
	const (
		get, post, put                                = http.MethodGet, http.MethodPost, http.MethodPut
		notFound, conflict, state                     = registry.CodeNotFound, registry.CodeConflict, registry.CodeWrongState
		card, chip, stale, rule, locked, archive, dup = registry.CodeCard, registry.CodeChip, registry.CodeStale, registry.CodeRule, registry.CodeLocked, registry.CodeArchive, registry.CodeDuplicate
	)
	codes := func(c ...registry.Code) []registry.Code { return c }
	return []Route{
		{Method: post, Path: PathEnrol, Who: ByCode, Slow: true, In: EnrolRequest{}, Out: EnrolReply{}, Codes: codes(notFound, conflict),
			Summary: "Make this machine a kiosk by the one-time code from the console."},

		{Method: post, Path: PathBatches, Who: ByDevice, In: Batch{}, Out: Receipt{}, Codes: codes(conflict),
			Summary: "Deliver up to 256 consecutive events under one signature. The receipt says up to where they are durable; send again what it does not cover."},
		{Method: get, Path: PathOutcomes, Who: ByDevice, Out: []Outcome{}, Query: []Query{{Name: "after", Summary: "the last sequence number whose outcome is known; 0 for none", Integer: true}},
			Summary: "What became of delivered events, in order, from after on."},
		{Method: get, Path: PathTrust, Who: ByDevice, Out: Trust{}, Summary: "Issuing certificates, the status list, and the reading keys sealed to this device."},
		{Method: get, Path: PathDirectory, Who: ByDevice, Out: Directory{}, Summary: "Names of schools and offices, and what the rule pack asks of cards."},
		{Method: post, Path: PathSignIn, Who: ByDevice, In: SignIn{}, Out: StaffSession{}, Summary: "A member of staff signs in at the kiosk, by password, or by staff card and PIN."},
		{Method: post, Path: PathStatus, Who: ByDevice, In: StatusRequest{}, Out: StatusReply{}, Codes: codes(notFound, card, chip, stale, locked),
			Summary: "What a family may read of its child: masked, and in full with the PIN."},
		{Method: post, Path: PathConsignment, Who: ByDevice, In: ConsignmentRequest{}, Out: Consignment{}, Codes: codes(notFound, archive, state),
			Summary: "What should lie in the envelope behind a scanned QR."},
		{Method: post, Path: PathRefresh, Who: ByDevice, In: RefreshRequest{}, Out: RefreshReply{}, Codes: codes(notFound, card, chip, stale, conflict),
			Summary: "May this card be rewritten now? A one-time ticket for the issuer when so."},
		{Method: post, Path: PathPupils, Who: ByDevice, Slow: true, In: PupilsRequest{}, Out: PupilsReply{}, Codes: codes(notFound),
			Summary: "A child of the kiosk's own school whose card is not at hand, by date of birth and the end of its document."},
		{Method: post, Path: PathLost, Who: ByDevice, In: LostRequest{}, Out: CardMoved{}, Codes: codes(notFound, conflict, card, state, rule, locked),
			Summary: "Report a pupil's card lost: it is good nowhere from the reply on."},
		{Method: post, Path: PathFound, Who: ByDevice, In: FoundRequest{}, Out: CardMoved{}, Codes: codes(notFound, conflict, card, chip, stale, state, rule, locked),
			Summary: "A card that was reported lost lies on the reader."},
		{Method: post, Path: PathCertificate, Who: ByDevice, Slow: true, In: CertificateRequest{}, Out: CertificateReply{},
			Summary: "A device certificate of the enrolled key. The one device path that needs none."},
		{Method: post, Path: PathHeartbeat, Who: ByDevice, In: Heartbeat{}, Out: HeartbeatReply{}, Summary: "The kiosk's health; the server's time and what the console decided come back."},

		{Method: post, Path: PathExchange, Who: ByPeer, In: ExchangeRequest{}, Out: ExchangeReply{}, Codes: codes(conflict),
			Summary: "Take a signed message of another province's register in. The receipt says that it is durable here; send again what has none."},

		{Method: post, Path: PathOrder, Who: ByIssuer, In: OrderRequest{}, Out: Order{}, Codes: codes(notFound, conflict, card, state, locked),
			Summary: "Redeem a ticket: what to put on a card. The same issuer may ask again for the same chip."},
		{Method: post, Path: PathReport, Who: ByIssuer, In: Report{}, Out: ReportReply{}, Codes: codes(notFound, conflict, card, state, dup, locked),
			Summary: "The issuer's word on an issuance: planned, personalised or failed."},
		{Method: get, Path: PathRevocations, Who: ByIssuer, Out: Revocations{}, Summary: "What the next status list must say."},
		{Method: get, Path: PathMinimums, Who: ByIssuer, Out: Minimums{}, Summary: "The least good sequences of cards that were rewritten."},
		{Method: put, Path: PathStatusList, Who: ByIssuer, In: SignedList{}, Codes: codes(conflict), Summary: "A signed status list."},
		{Method: put, Path: PathCerts, Who: ByIssuer, In: Certificates{}, Codes: codes(conflict), Summary: "The issuer's roots and issuing certificates."},
		{Method: get, Path: PathDevices, Who: ByIssuer, Out: []Device{}, Summary: "Kiosks that may hold reading keys."},
		{Method: get, Path: PathEpochs, Who: ByIssuer, Out: Epochs{}, Summary: "The epochs of the keys of sealed records, and how many held cards are of each."},
		{Method: put, Path: PathEpochs, Who: ByIssuer, In: Epochs{}, Codes: codes(conflict), Summary: "The issuer tells its epochs."},
		{Method: get, Path: PathRoll, Who: ByClient, Out: Roll{}, Query: []Query{{Name: "after", Summary: "the mark of the last answer; none to begin"}, {Name: "limit", Summary: "pupils in the answer, 200 at most", Integer: true}},
			Summary: "The own school's roll, or what changed on it after a mark; the fields that the approval names (scope roll)."},
		{Method: post, Path: PathNewcomers, Who: ByClient, In: Newcomer{}, Out: NewcomerReply{}, Codes: codes(conflict),
			Summary: "Hand a newcomer in for the registrar's review (scope newcomers)."},
		{Method: get, Path: PathNewcomers, Who: ByClient, Out: NewcomerReply{}, Query: []Query{{Name: "ref", Summary: "your own name for the child"}}, Codes: codes(notFound),
			Summary: "What became of a newcomer (scope newcomers)."},
		{Method: post, Path: PathLookup, Who: ByClient, In: LookupRequest{}, Out: LookupReply{},
			Summary: "Whether 学籍号 and names belong together, for later stages of education (scope lookup)."},

		{Method: put, Path: PathSealedKeys, Who: ByIssuer, In: SealedKeys{}, Codes: codes(notFound), Summary: "Reading keys sealed to devices."},
	}
}
