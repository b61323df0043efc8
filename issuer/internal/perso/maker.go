package perso

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	profiles "xueji/firmware-profiles"

	"xueji/cardsvc/applet"
	"xueji/cardsvc/credential"
	"xueji/cardsvc/iso7816"
	"xueji/cardsvc/relay"
	"xueji/issuer/internal/custody"
	"xueji/issuer/internal/journal"
	"xueji/server/api"
	"xueji/server/registry"
)

// Keys is what Maker needs of custody.
type Keys interface {
	Signer() credential.Signer
	ReadingKey() credential.ReadingKey
	Verifier() (*credential.Verifier, error)
}

// Register is what Maker needs of the server. Errors are *registry.Error.
type Register interface {
	Order(ctx context.Context, r api.OrderRequest) (api.Order, error)
	Report(ctx context.Context, r api.Report) (api.ReportReply, error)
}

// Journal is what Maker needs of the journal; each call is durable on return.
type Journal interface {
	Plan(p journal.Plan) error
	Mark(issuance string, s journal.State, detail string) error
	Note(text string) error
	OfChip(serial []byte) []journal.Entry
	Find(issuance string) (journal.Entry, bool)
	KeysBegun(serial []byte, profile string, gen int) error
	KeysMoving(serial []byte, profile string, gen, was int) error
	KeysLoaded(serial []byte, profile string, gen int) error
	KeysOf(serial []byte) journal.ChipKeys
}

// Link is the card, perhaps far away. An error of Transmit for which Lost is true means that it left.
type Link interface {
	applet.Transmitter
	// Step tells the clerk where things stand; total is an estimate of the step's APDUs.
	Step(step string, total int)
}

// Maker makes cards. Its fields are set once, before use; it is safe for concurrent use.
type Maker struct {
	Log      *slog.Logger
	Keys     Keys
	Masters  custody.MasterKeys // nil: only cards without keys of their own are made
	Profiles *profiles.Set
	Register Register
	Journal  Journal
	Now      func() time.Time
	Rand     io.Reader
	// Lost says that a Link's error means that the card left.
	Lost func(error) bool

	mu   sync.Mutex
	busy map[string]bool // issuances and chips in the making
}

// tried is a failure with its code for the station.
type tried struct {
	code   relay.Code
	detail string
	err    error
	failed bool // the server is told that this issuance failed
}

func (t *tried) Error() string { return string(t.code) + ": " + t.detail }
func (t *tried) Unwrap() error { return t.err }

func stop(code relay.Code, detail string, err error) error {
	return &tried{code: code, detail: detail, err: err}
}

// Make serves one ticket with the card behind link, to its end.
func (m *Maker) Make(ctx context.Context, ticket string, atr []byte, link Link) relay.Outcome {
	j := &job{m: m, link: link}
	out, err := j.run(ctx, ticket, atr)
	if err == nil {
		return out
	}
	t := m.classify(err)
	if j.order.IssuanceID != "" {
		m.Log.Warn("card not made", "issuance", j.order.IssuanceID, "code", string(t.code), "error", t.err)
	} else {
		m.Log.Warn("card not made", "code", string(t.code), "error", t.err)
	}
	if j.planned && t.failed {
		j.giveUp(ctx, t)
	}
	return relay.Outcome{Code: t.code, Detail: t.detail, CardNo: j.order.CardNo}
}

// classify gives every error its code and words.
func (m *Maker) classify(err error) *tried {
	var t *tried
	var card *applet.CardError
	switch {
	case errors.As(err, &t):
		return t
	case m.Lost(err):
		return &tried{code: relay.CodeGone, detail: "the card left: put the same card back to finish", err: err}
	case errors.As(err, &card):
		return &tried{code: relay.CodeCard, detail: fmt.Sprintf("the card refused (%04X at %s): try another card", uint16(card.SW), card.Step), err: err, failed: true}
	case errors.Is(err, applet.ErrVerify):
		return &tried{code: relay.CodeVerify, detail: "what was read back is not what was written: the card is bad, take another", err: err, failed: true}
	case errors.Is(err, applet.ErrUnguarded):
		return &tried{code: relay.CodeCard, detail: "the card gives its sealed record to anyone, though its kind can keep it: take another card, and try this kind with `cardsvc profile try`", err: err, failed: true}
	case errors.Is(err, applet.ErrNoKeys):
		return &tried{code: relay.CodeInternal, detail: "this kind of card wants card master keys, and this issuer has none: see `issuer serve`", err: err}
	case errors.Is(err, custody.ErrGeneration):
		return &tried{code: relay.CodeInternal, detail: "the chip's keys are of a generation of card master keys that this issuer no longer has: issue a replacement, or bring the generation back", err: err}
	case errors.Is(err, applet.ErrNotProof):
		return &tried{code: relay.CodeCard, detail: "the chip does not show the key it should have: keep it back and take another card", err: err, failed: true}
	case errors.Is(err, applet.ErrHostile), errors.Is(err, iso7816.ErrAnswerTooBig), errors.Is(err, iso7816.ErrRestless):
		return &tried{code: relay.CodeCard, detail: "the card answers against the rules: try another card", err: err, failed: true}
	}
	return &tried{code: relay.CodeInternal, detail: "a fault in the issuer; see its log. The same card can be put back.", err: err}
}

// job is one session.
type job struct {
	m        *Maker
	link     Link
	order    api.Order
	profile  *profiles.Profile
	serial   []byte
	planned  bool
	prepared bool   // in this session
	chipKey  []byte // public half of the chip's own pair, seen to work
}

func (j *job) run(ctx context.Context, ticket string, atr []byte) (relay.Outcome, error) {
	m := j.m
	j.link.Step("plan", 0)
	var err error
	if j.profile, err = applet.Identify(ctx, j.link, m.Profiles, atr); errors.Is(err, applet.ErrUnknownChip) {
		return relay.Outcome{}, stop(relay.CodeUnknown, "no firmware profile claims this chip: use a card of a known kind, or add a profile", err)
	} else if err != nil {
		return relay.Outcome{}, err
	}
	verifier, err := m.Keys.Verifier()
	if err != nil {
		return relay.Outcome{}, err
	}
	reading, err := j.read(ctx, verifier)
	if err != nil {
		return relay.Outcome{}, err
	}
	if reading.ChipSerial == nil {
		if reading, err = j.giveSerial(ctx, verifier); err != nil {
			return relay.Outcome{}, err
		}
	}
	j.serial = reading.ChipSerial
	if !m.take("chip " + hex.EncodeToString(j.serial)) {
		return relay.Outcome{}, stop(relay.CodeBusy, "this card is being made in another session", nil)
	}
	defer m.release("chip " + hex.EncodeToString(j.serial))
	if j.order, err = m.Register.Order(ctx, api.OrderRequest{Ticket: ticket, ChipSerial: j.serial}); err != nil {
		return relay.Outcome{}, orderError(err)
	}
	if len(j.order.PupilRef) != 16 || j.order.IssuanceID == "" || j.order.Sequence == 0 {
		return relay.Outcome{}, stop(relay.CodeServer, "the server's order is not one: are server and issuer of one version?", nil)
	}
	if !m.take("issuance " + j.order.IssuanceID) {
		return relay.Outcome{}, stop(relay.CodeBusy, "this pupil's card is being made at another station", nil)
	}
	defer m.release("issuance " + j.order.IssuanceID)
	return j.carryOut(ctx, verifier, reading)
}

func (j *job) carryOut(ctx context.Context, verifier *credential.Verifier, reading applet.Reading) (relay.Outcome, error) {
	m := j.m
	card := Card{Serial: j.serial, Blank: reading.Blank, Torn: reading.Torn, Record: reading.Record}
	if reading.Record != nil {
		var res credential.Result
		card.Public, res = verifier.Check(reading.Record, j.serial, m.Now())
		card.Genuine = genuine(res)
	}
	d := Decide(j.order, card, m.Journal.OfChip(j.serial))
	out := relay.Outcome{OK: true, CardNo: j.order.CardNo, Sequence: j.order.Sequence, Profile: j.profile.Name, Level: j.profile.Level, Resumed: d.Action != Make}
	switch d.Action {
	case Refuse:
		return relay.Outcome{}, stop(d.Code, d.Detail, nil)
	case Finish:
		if card.Public.ChipKey != nil {
			if err := j.chip(ctx, card.Public.ChipKey); err != nil {
				return relay.Outcome{}, err
			}
		}
		if err := j.finish(ctx, reading.Record, card.Public); err != nil {
			return relay.Outcome{}, err
		}
		out.Level = int(card.Public.Level)
		return out, nil
	}
	if j.profile.Pair() {
		if err := j.pair(ctx, reading, card.Public); err != nil {
			return relay.Outcome{}, err
		}
	}
	record, sealed, err := j.sign()
	if err != nil {
		return relay.Outcome{}, stop(relay.CodeServer, "the order cannot be put on a card: "+err.Error(), err)
	}
	if err := j.plan(ctx, record); err != nil {
		return relay.Outcome{}, err
	}
	if err := j.rekey(ctx, card.Genuine); err != nil {
		return relay.Outcome{}, err
	}
	if err := j.write(ctx, reading, record, sealed); err != nil {
		return relay.Outcome{}, err
	}
	j.link.Step("verify", 0)
	if err := j.verify(ctx, record, sealed); err != nil {
		return relay.Outcome{}, err
	}
	return out, j.bind(ctx, record)
}

// plan journals what will be written and tells the register, once, before the card is changed. It is called again when the record is known only after the chip was prepared.
func (j *job) plan(ctx context.Context, record []byte) error {
	if err := j.m.Journal.Plan(journal.Plan{Issuance: j.order.IssuanceID, Kind: j.order.Kind, Chip: hex.EncodeToString(j.serial), Profile: j.profile.Name,
		Level: j.profile.Level, CardNo: j.order.CardNo, PupilRef: j.order.PupilRef, Sequence: j.order.Sequence, Record: record}); err != nil {
		return err
	}
	if j.planned {
		return nil
	}
	j.planned = true
	if _, err := j.m.Register.Report(ctx, j.report("planned", nil, "")); err != nil {
		return serverError(err)
	}
	return nil
}

// read reads the card; a record that is not genuine gives way to the other slot's.
func (j *job) read(ctx context.Context, v *credential.Verifier) (applet.Reading, error) {
	return applet.Read(ctx, j.link, j.profile, applet.PublicOnly(), applet.WithJudge(func(record, serial []byte) bool {
		_, res := v.Check(record, serial, j.m.Now())
		return genuine(res)
	}))
}

// readBack reads the card as an enrolled reader would. A chip that does not take the readers' key, because wrong ones were tried on it until it took none, gets it once more.
func (j *job) readBack(ctx context.Context) (applet.Reading, error) {
	opts := []applet.Option{j.reader()}
	if j.prepared { // a card of before is written as it is
		opts = append(opts, applet.MustGuard())
	}
	r, err := applet.Read(ctx, j.link, j.profile, opts...)
	if err != nil || !r.Refused || j.profile.Rekey == nil {
		return r, err
	}
	j.m.Log.Info("the readers' key is put on the chip once more", "card", j.order.CardNo)
	if err := j.again(ctx); err != nil {
		return r, err
	}
	return applet.Read(ctx, j.link, j.profile, j.reader())
}

// genuine: the signature stands and the chip is the one it was made for.
func genuine(r credential.Result) bool {
	switch r.Verdict {
	case credential.Forged, credential.UnknownIssuer, credential.WrongChip:
		return false
	}
	return true
}

// giveSerial prepares a card that has no serial before it is prepared: without one nothing can be ordered for it. Nothing of a pupil is written yet.
func (j *job) giveSerial(ctx context.Context, v *credential.Verifier) (applet.Reading, error) {
	if err := j.m.Journal.Note("preparing a card without a serial, profile " + j.profile.Name); err != nil {
		return applet.Reading{}, err
	}
	j.link.Step("plan", prepareSteps(j.profile))
	if err := applet.Prepare(ctx, j.link, j.profile); err != nil {
		return applet.Reading{}, err
	}
	j.prepared = true
	r, err := j.read(ctx, v)
	if err == nil && r.ChipSerial == nil {
		err = fmt.Errorf("%w: no serial after preparation", applet.ErrHostile)
	}
	return r, err
}

func prepareSteps(p *profiles.Profile) int {
	n := 0
	for _, s := range p.Prepare {
		if s.Each {
			n += len(p.Files)
		} else {
			n++
		}
	}
	return n
}

// sign makes the records that the order asks for.
func (j *job) sign() (record, sealed []byte, err error) {
	o, m := j.order, j.m
	items := credential.Items{}
	for k, v := range o.Items {
		items[credential.Item(k)] = v
	}
	key := m.Keys.ReadingKey()
	sealed, digests, err := credential.SealItems(items, key, o.CardNo, o.Sequence, m.Rand)
	if err != nil {
		return nil, nil, err
	}
	expires := o.ExpiresOn.AddDays(1).Time() // good through the last day in Beijing
	if !o.ExpiresOn.Valid() || expires.IsZero() {
		return nil, nil, errors.New("the expiry date is not a date")
	}
	p := credential.Public{
		CardNo: o.CardNo, PupilRef: [16]byte(o.PupilRef), School: string(o.School), Status: credential.Status(o.Status), Sequence: o.Sequence,
		Issued: m.Now().UTC().Truncate(time.Second), Expires: expires.UTC(), StatusIdx: o.StatusIdx, Profile: j.profile.Name, Level: uint8(j.profile.Level),
		ChipSerial: j.serial, Epoch: key.Epoch, Digests: digests, ChipKey: j.chipKey,
	}
	record, err = p.Sign(m.Keys.Signer())
	return record, sealed, err
}

func (j *job) write(ctx context.Context, reading applet.Reading, record, sealed []byte) error {
	total := (len(record)+len(sealed))/j.profile.Limits.Write + 6
	// A card without a record may have been torn out while it was prepared, whatever Prepared says.
	prepare := (reading.Blank || reading.Torn) && !j.prepared
	if prepare {
		total += prepareSteps(j.profile)
	}
	j.link.Step("write", total)
	if prepare {
		if err := j.prepare(ctx); err != nil {
			return err
		}
		j.prepared = true
	}
	if reading.Blank && j.prepared { // and nothing was ever written: the card need not be asked again
		reading = applet.Reading{ChipSerial: j.serial, Blank: true, Prepared: true}
	}
	return applet.Write(ctx, j.link, j.profile, reading, j.order.Sequence, record, sealed, j.m.keys(j.profile, j.serial),
		applet.ReadBackLater()) // verify reads all of it, once
}

// prepare makes the application, and the chip ours when the profile has keys: the journal says so before the first command and after the keys were seen to work.
func (j *job) prepare(ctx context.Context) error {
	m, secret := j.m, j.profile.Secret() && j.m.Masters != nil
	known := m.Journal.KeysOf(j.serial) // before this session
	if secret {
		if known.Gen == 0 {
			known.Gen = m.Masters.Newest()
		}
		if err := m.Journal.KeysBegun(j.serial, j.profile.Name, known.Gen); err != nil {
			return err
		}
	}
	if err := applet.Prepare(ctx, j.link, j.profile, m.keysOf(j.profile, known), applet.ForChip(j.serial)); err != nil {
		return err
	}
	if !secret {
		return nil
	}
	if err := m.check(ctx, j.link, j.profile, j.serial); err != nil {
		return err
	}
	return m.Journal.KeysLoaded(j.serial, j.profile.Name, known.Gen)
}

// verify reads the card as any reader would and judges it with a fresh verifier.
func (j *job) verify(ctx context.Context, record, sealed []byte) error {
	v, err := j.m.Keys.Verifier()
	if err != nil {
		return err
	}
	r, err := j.readBack(ctx)
	if err != nil {
		return err
	}
	public, res := v.Check(r.Record, r.ChipSerial, j.m.Now())
	if !genuine(res) || !bytes.Equal(r.Record, record) || !bytes.Equal(r.Sealed, sealed) {
		return fmt.Errorf("%w: verdict %s", applet.ErrVerify, res.Verdict)
	}
	all, err := j.m.Keys.ReadingKey().For(credential.Sections[:]...)
	if err != nil {
		return err
	}
	if _, err := credential.OpenItems(r.Sealed, map[uint16]credential.DeviceKeys{all.Epoch: all}, public); err != nil {
		return fmt.Errorf("%w: %w", applet.ErrVerify, err)
	}
	return nil
}

// finish takes up a card whose record is whole: the report may have been lost.
func (j *job) finish(ctx context.Context, record []byte, p credential.Public) error {
	if e, ok := j.m.Journal.Find(j.order.IssuanceID); !ok || e.Sequence != j.order.Sequence || e.Chip != hex.EncodeToString(j.serial) {
		// The journal does not know what is on the card (another folder, an older copy): it does now.
		if err := j.m.Journal.Plan(journal.Plan{Issuance: j.order.IssuanceID, Kind: j.order.Kind, Chip: hex.EncodeToString(j.serial), Profile: p.Profile,
			Level: int(p.Level), CardNo: p.CardNo, PupilRef: p.PupilRef[:], Sequence: p.Sequence, Record: record}); err != nil {
			return err
		}
	}
	return j.bind(ctx, record)
}

// bind journals the finished card and tells the server. If the server is out of reach, the card is good and Settle tells it later.
func (j *job) bind(ctx context.Context, record []byte) error {
	if err := j.m.Journal.Mark(j.order.IssuanceID, journal.Written, ""); err != nil {
		return err
	}
	j.link.Step("bind", 0)
	if _, err := j.m.Register.Report(ctx, j.report("personalised", record, "")); err != nil {
		return serverError(err)
	}
	return j.m.Journal.Mark(j.order.IssuanceID, journal.Reported, "")
}

func (j *job) report(state string, record []byte, detail string) api.Report {
	return report(j.order.IssuanceID, state, j.serial, j.profile.Name, j.profile.Level, j.order.Sequence, record, detail)
}

func report(issuance, state string, serial []byte, profile string, level int, sequence uint32, record []byte, detail string) api.Report {
	hash := sha256.Sum256(serial)
	return api.Report{IssuanceID: issuance, State: state, ChipHash: hex.EncodeToString(hash[:]), Profile: profile, Level: level, Sequence: sequence, Record: record, Detail: detail}
}

// giveUp journals a failure and tells the server; the ticket's next card gets a fresh try.
func (j *job) giveUp(ctx context.Context, t *tried) {
	detail := string(t.code)
	if t.err != nil {
		detail += ": " + t.err.Error()
	}
	if err := j.m.Journal.Mark(j.order.IssuanceID, journal.Failed, detail); err != nil {
		j.m.Log.Error("journal", "error", err)
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if _, err := j.m.Register.Report(ctx, j.report("failed", nil, detail)); err != nil {
		j.m.Log.Warn("failure not reported", "issuance", j.order.IssuanceID, "error", err)
	}
}

func (m *Maker) take(what string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.busy[what] {
		return false
	}
	if m.busy == nil {
		m.busy = map[string]bool{}
	}
	m.busy[what] = true
	return true
}

func (m *Maker) release(what string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.busy, what)
}

// orderError says why the server gave no order.
func orderError(err error) error {
	switch registry.CodeOf(err) {
	case registry.CodeNotFound, registry.CodeConflict, registry.CodeWrongState:
		return stop(relay.CodeTicket, "the ticket is unknown, used or too late: ask the console for a new one", err)
	case registry.CodeCard:
		return stop(relay.CodeWrongCard, "this is not the pupil's card: ask for the right one", err)
	}
	return serverError(err)
}

func serverError(err error) error {
	switch registry.CodeOf(err) {
	case registry.CodeUnavailable:
		return stop(relay.CodeServer, "the register is out of reach: put the same card back when it is there again", err)
	case registry.CodeCard:
		return stop(relay.CodeWrongCard, "the register knows another card for this issuance: ask the console for a new ticket", err)
	}
	return stop(relay.CodeServer, "the register refuses ("+string(registry.CodeOf(err))+"): see the console, then put the same card back", err)
}

// Settle tells the server of cards that were finished while it was out of reach. It returns how many are still untold.
func (m *Maker) Settle(ctx context.Context, written []journal.Entry) (left int) {
	for _, e := range written {
		if !m.take("issuance " + e.Issuance) { // a session is at it
			left++
			continue
		}
		if err := m.settle(ctx, e); err != nil {
			m.Log.Warn("finished card not reported", "issuance", e.Issuance, "error", err)
			left++
		}
		m.release("issuance " + e.Issuance)
	}
	return left
}

func (m *Maker) settle(ctx context.Context, e journal.Entry) error {
	serial, err := hex.DecodeString(e.Chip)
	if err != nil {
		return err
	}
	_, err = m.Register.Report(ctx, report(e.Issuance, "personalised", serial, e.Profile, e.Level, e.Sequence, e.Record, ""))
	switch registry.CodeOf(err) {
	case "":
		return m.Journal.Mark(e.Issuance, journal.Reported, "")
	case registry.CodeWrongState, registry.CodeNotFound, registry.CodeCard, registry.CodeConflict:
		// The register went on without this card: it will never be bound.
		return m.Journal.Mark(e.Issuance, journal.Failed, "the register refuses: "+string(registry.CodeOf(err)))
	}
	return err
}
