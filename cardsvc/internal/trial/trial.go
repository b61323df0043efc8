package trial

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"time"

	profiles "xueji/firmware-profiles"

	"xueji/cardsvc/applet"
	"xueji/cardsvc/credential"
	"xueji/cardsvc/securemsg"
)

// Authority is the region code of the throw-away PKI: no province's.
const Authority = "999999"

// Mark of a step.
type Mark string

// Marks.
const (
	Good Mark = "ok"
	Bad  Mark = "FAIL"
	Left Mark = "-" // not asked of this kind of card
)

// Line is one finding.
type Line struct {
	Mark Mark
	Step string
	Text string
}

// Card is a reader with the card on it. Each Use begins with a card that was reset: what it learnt without power is all it knows.
type Card interface {
	Use(ctx context.Context, f func(tx applet.Transmitter) error) error
}

// Trial is one trial. All fields are wanted but Say.
type Trial struct {
	Profile *profiles.Profile
	ATR     []byte
	Card    Card
	Rand    io.Reader
	Now     func() time.Time
	Say     func(Line) // called for each line as it comes

	lines    []Line
	issuing  *credential.PrivateKey
	reading  credential.ReadingKey
	verifier *credential.Verifier
	keys     applet.WriteOption
	chipKey  []byte
	cost     map[string]cost
}

type cost struct {
	apdus, bytes int
	spent        time.Duration
}

// ErrHeld says that the card holds a record that is no trial's: it may be a pupil's.
var ErrHeld = errors.New("this card holds a student record: take a blank card, or one that an earlier trial made")

// errFailed ends a trial whose next steps would make no sense.
var errFailed = errors.New("failed")

func (t *Trial) say(m Mark, step, text string, a ...any) {
	l := Line{m, step, fmt.Sprintf(text, a...)}
	t.lines = append(t.lines, l)
	if t.Say != nil {
		t.Say(l)
	}
}

// fail says why and stops.
func (t *Trial) fail(step string, err error) error {
	t.say(Bad, step, "%v", err)
	return errFailed
}

// Run tries everything and returns the findings; ok when none is Bad. err says that there was no trial: ErrHeld, or what the reader says.
func (t *Trial) Run(ctx context.Context) (lines []Line, ok bool, err error) {
	t.cost = map[string]cost{}
	if err := t.pki(); err != nil {
		return nil, false, err
	}
	err = t.run(ctx)
	if errors.Is(err, errFailed) {
		err = nil
	}
	ok = err == nil
	for _, l := range t.lines {
		ok = ok && l.Mark != Bad
	}
	return t.lines, ok, err
}

// pki makes a throw-away issuer. The chip's own keys are derived of master keys that everyone may know, so that the card can be tried again.
func (t *Trial) pki() error {
	root, err := credential.GenerateKey(credential.ES256, t.Rand)
	if err != nil {
		return err
	}
	if t.issuing, err = credential.GenerateKey(credential.ES256, t.Rand); err != nil {
		return err
	}
	if t.reading, err = credential.NewReadingKey(1, credential.ES256, t.Rand); err != nil {
		return err
	}
	now := t.Now()
	cert, err := credential.SignCertificate(credential.Certificate{Suite: credential.ES256, PublicKey: t.issuing.PublicKey(), Authority: Authority,
		NotBefore: now.AddDate(0, 0, -1), NotAfter: now.AddDate(0, 0, 1)}, root)
	if err != nil {
		return err
	}
	t.verifier = credential.NewVerifier([]credential.Root{credential.RootOf(root, Authority)})
	return t.verifier.SetCertificates([][]byte{cert})
}

// master gives keys derived of a phrase; begun says that the chip has keys of a trial already.
func (t *Trial) master(phrase string, begun bool) applet.WriteOption {
	return applet.WithKeys(applet.Keys{Rand: t.Rand, Begun: begun, Derive: t.derive(phrase)})
}

func (t *Trial) derive(of string) func(string, []byte) (securemsg.Secret, error) {
	return func(name string, diversifier []byte) (securemsg.Secret, error) {
		of := of
		if name == profiles.ReadKey && of == nextPhrase {
			of = phrase // readers' keys have no generations
		}
		h := sha256.Sum256([]byte(of + "\x00" + t.Profile.Name + "\x00" + name))
		return securemsg.Diversify(securemsg.Cipher(t.Profile.Cipher), securemsg.NewSecret(h[:16]), diversifier)
	}
}

// counter measures, and can stop: after left commands nothing more is sent, as when a card leaves the field.
type counter struct {
	tx   applet.Transmitter
	now  func() time.Time
	left int // <0: no limit
	cost
}

var errCut = errors.New("the command was held back")

func (c *counter) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	if c.left == 0 {
		return nil, errCut
	}
	c.left--
	began := c.now()
	answer, err := c.tx.Transmit(ctx, command)
	c.spent += c.now().Sub(began)
	c.apdus++
	c.bytes += len(command) + len(answer)
	return answer, err
}

// use runs f on the reset card and keeps what it cost under name.
func (t *Trial) use(ctx context.Context, name string, f func(tx applet.Transmitter) error) error {
	return t.Card.Use(ctx, func(tx applet.Transmitter) error {
		c := &counter{tx: tx, now: t.Now, left: -1}
		err := f(c)
		if err == nil {
			t.cost[name] = c.cost
		}
		return err
	})
}

func (t *Trial) run(ctx context.Context) error {
	if err := t.recognise(ctx); err != nil {
		return err
	}
	r, err := t.read(ctx)
	if err != nil {
		return t.fail("read as found", err)
	}
	if r.Record != nil {
		p, err := credential.Decode(r.Record)
		if err != nil || p.CardNo != cardNo {
			return ErrHeld
		}
	}
	t.say(Good, "read as found", "%s, chip serial %s", what(r), serialText(r.ChipSerial))
	t.keys = t.master(phrase, r.Prepared)
	if err := t.use(ctx, "prepare", func(tx applet.Transmitter) error { return applet.Prepare(ctx, tx, t.Profile, t.keys) }); err != nil {
		return t.fail("prepare", err)
	}
	t.say(Good, "prepare", "%s", t.costs("prepare"))
	t.keys = t.master(phrase, true)
	if r, err = t.read(ctx); err != nil || !r.Prepared || len(r.ChipSerial) == 0 {
		return t.fail("read when prepared", orElse(err, "the application is not there, or the chip has no serial"))
	}
	if err := t.pair(ctx, r.ChipSerial); err != nil {
		return err
	}
	for _, step := range []string{"write", "write the other slot"} {
		if r, err = t.write(ctx, step, r); err != nil {
			return err
		}
	}
	if err := t.use(ctx, "prepare again", func(tx applet.Transmitter) error { return applet.Prepare(ctx, tx, t.Profile, t.keys) }); err != nil {
		t.say(Bad, "prepare again", "%v: a card torn out while it was prepared could not be finished", err)
	} else if again, err := t.read(ctx); err != nil || !bytes.Equal(again.Record, r.Record) {
		return t.fail("prepare again", orElse(err, "it destroyed the record"))
	} else {
		t.say(Good, "prepare again", "harmless")
	}
	if r, err = t.tear(ctx, r); err != nil {
		return err
	}
	if err := t.strangers(ctx, r); err != nil {
		return err
	}
	if err := t.guard(ctx, r); err != nil {
		return err
	}
	if r, err = t.rekey(ctx, r); err != nil {
		return err
	}
	_, err = t.write(ctx, "restore", r)
	return err
}

// rekey changes all keys of the chip and changes them back, and writes under the keys in between.
func (t *Trial) rekey(ctx context.Context, r applet.Reading) (applet.Reading, error) {
	const step = "change of keys"
	if t.Profile.Rekey == nil {
		if t.Profile.Secret() {
			t.say(Left, step, "the profile knows none: the card keeps its keys")
		}
		return r, nil
	}
	was := phrase
	for _, next := range []string{nextPhrase, phrase} {
		keys := applet.WithKeys(applet.Keys{Rand: t.Rand, Derive: t.derive(next), Was: t.derive(was)})
		if err := t.use(ctx, "rekey", func(tx applet.Transmitter) error { return applet.Rekey(ctx, tx, t.Profile, r.ChipSerial, keys) }); err != nil {
			return r, t.fail(step, err)
		}
		t.keys, was = t.master(next, true), next
		if next != phrase {
			var err error
			if r, err = t.write(ctx, "write with the new keys", r); err != nil {
				return r, err
			}
		}
	}
	t.say(Good, step, "there and back; %s", t.costs("rekey"))
	return r, nil
}

func (t *Trial) recognise(ctx context.Context) error {
	set := profiles.Only(t.Profile)
	if len(t.Profile.ATR) > 0 && len(set.Match(t.ATR)) == 0 {
		return t.fail("recognise", fmt.Errorf("the profile does not claim this card's ATR %X: add it under recognise.atr", t.ATR))
	}
	err := t.use(ctx, "recognise", func(tx applet.Transmitter) error {
		_, err := applet.Identify(ctx, tx, set, t.ATR)
		return err
	})
	if errors.Is(err, applet.ErrUnknownChip) {
		return t.fail("recognise", errors.New("the ATR fits, the probes do not"))
	}
	if err != nil {
		return t.fail("recognise", err)
	}
	t.say(Good, "recognise", "ATR %X", t.ATR)
	return nil
}

// phrase of the keys that everyone may know, and that of their next generation.
const (
	phrase     = "xueji trial"
	nextPhrase = phrase + " next"
)

// cardNo marks a trial's record; no province's numbers look so.
const cardNo = "TRIAL"

func (t *Trial) judge(record, serial []byte) bool {
	_, res := t.verifier.Check(record, serial, t.Now())
	return res.Verdict == credential.Valid
}

func (t *Trial) read(ctx context.Context) (r applet.Reading, err error) {
	err = t.use(ctx, "read", func(tx applet.Transmitter) error {
		r, err = applet.Read(ctx, tx, t.Profile, applet.WithJudge(t.judge), t.reader(phrase))
		return err
	})
	return r, err
}

// reader brings the key that opens a guarded sealed place.
func (t *Trial) reader(phrase string) applet.Option {
	return applet.WithReaderKeys(applet.Keys{Rand: t.Rand, Derive: t.derive(phrase)})
}

// guard sees that the sealed place opens to a reader's key and to nothing else, and that wrong keys do it no harm that the right one does not mend.
func (t *Trial) guard(ctx context.Context, r applet.Reading) error {
	const step = "guard"
	if !t.Profile.Guards() {
		t.say(Left, step, "the profile has no open_sealed: anyone reads the sealed record, which is enciphered")
		return nil
	}
	for _, opts := range [][]applet.Option{nil, {t.reader("a stranger")}} {
		var got applet.Reading
		if err := t.use(ctx, "read as a stranger", func(tx applet.Transmitter) (err error) {
			got, err = applet.Read(ctx, tx, t.Profile, append(opts, applet.WithJudge(t.judge))...)
			return err
		}); err != nil {
			return t.fail(step, fmt.Errorf("reading as a stranger: %w", err))
		}
		if !got.Guarded && got.Sealed != nil {
			return t.fail(step, errors.New("the card gave its sealed place to a stranger: its access rules do not bite, or it was made before the profile had a key for it"))
		}
		if !bytes.Equal(got.Record, r.Record) {
			return t.fail(step, errors.New("a stranger does not read the public record any more"))
		}
	}
	got, err := t.read(ctx)
	if err != nil || !bytes.Equal(got.Sealed, r.Sealed) {
		return t.fail(step, orElse(err, "the reader's own key does not open the sealed place after a wrong one was tried"))
	}
	t.say(Good, step, "the sealed place opens to a reader's key alone; a stranger's tap: %s", t.costs("read as a stranger"))
	return nil
}

// records of a pupil who does not exist.
func (t *Trial) records(serial []byte, sequence uint32) (record, sealed []byte, err error) {
	items := credential.Items{credential.ItemName: "欧阳𬀩", credential.ItemSex: "2", credential.ItemBirth: "2015-03-08", credential.ItemNumber: "G330106201503080027",
		credential.ItemSchoolName: "试卡学校", credential.ItemGrade: "五年级", credential.ItemClass: "3班", credential.ItemStanding: "在读",
		credential.ItemPhoto: "9f86d081884c7d659a2feaa0c55ad015", credential.ItemTail: "0027"}
	sealed, digests, err := credential.SealItems(items, t.reading, cardNo, sequence, t.Rand)
	if err != nil {
		return nil, nil, err
	}
	now := t.Now().UTC().Truncate(time.Second)
	record, err = credential.Public{CardNo: cardNo, School: "9999999999", Status: credential.StatusActive, Sequence: sequence, Issued: now, Expires: now.AddDate(0, 0, 1),
		Profile: t.Profile.Name, Level: uint8(t.Profile.Level), ChipSerial: serial, Epoch: t.reading.Epoch, Digests: digests, ChipKey: t.chipKey}.Sign(t.issuing)
	return record, sealed, err
}

// write writes a record above r's, reads it in a new session and judges it.
func (t *Trial) write(ctx context.Context, step string, r applet.Reading) (applet.Reading, error) {
	record, sealed, err := t.records(r.ChipSerial, r.Sequence+1)
	if err != nil {
		return r, t.fail(step, err)
	}
	if err := t.use(ctx, "write", func(tx applet.Transmitter) error {
		return applet.Write(ctx, tx, t.Profile, r, r.Sequence+1, record, sealed, t.keys)
	}); err != nil {
		return r, t.fail(step, err)
	}
	got, err := t.read(ctx)
	if err != nil {
		return r, t.fail(step, err)
	}
	p, res := t.verifier.Check(got.Record, got.ChipSerial, t.Now())
	if res.Verdict != credential.Valid || !bytes.Equal(got.Record, record) {
		return r, t.fail(step, fmt.Errorf("read again after a reset, the record is %s", res.Verdict))
	}
	all, err := t.reading.For(credential.Sections[:]...)
	if err != nil {
		return r, t.fail(step, err)
	}
	if _, err := credential.OpenItems(got.Sealed, map[uint16]credential.DeviceKeys{all.Epoch: all}, p); err != nil {
		return r, t.fail(step, err)
	}
	t.say(Good, step, "%s; tap: %s", t.costs("write"), t.costs("read"))
	return got, nil
}

// pair learns the chip's own key and sees it work.
func (t *Trial) pair(ctx context.Context, serial []byte) error {
	if !t.Profile.Pair() {
		t.say(Left, "key pair", "the profile knows none")
		return nil
	}
	var nonce [credential.NonceSize]byte
	if _, err := io.ReadFull(t.Rand, nonce[:]); err != nil {
		return err
	}
	p := credential.Public{ChipSerial: serial}
	var signature []byte
	err := t.use(ctx, "key pair", func(tx applet.Transmitter) error {
		point, err := applet.PublicKey(ctx, tx, t.Profile)
		if err != nil {
			return err
		}
		if p.ChipKey, err = credential.ChipKeyOf(point); err != nil {
			return err
		}
		signature, err = applet.Prove(ctx, tx, t.Profile, p.Challenge(nonce))
		return err
	})
	if err != nil {
		return t.fail("key pair", err)
	}
	if !p.Proves(nonce, signature) {
		return t.fail("key pair", errors.New("the chip's signature is not under the key it names"))
	}
	t.chipKey = p.ChipKey
	t.say(Good, "key pair", "the chip proves its own key; %s", t.costs("key pair"))
	return nil
}

// tear holds back the rest of a write after each number of commands, resets the card, and wants the old or the new record; then the write is done again.
func (t *Trial) tear(ctx context.Context, r applet.Reading) (applet.Reading, error) {
	cuts := 0
	for n := 1; ; n++ {
		record, sealed, err := t.records(r.ChipSerial, r.Sequence+1)
		if err != nil {
			return r, t.fail("tear", err)
		}
		var whole bool
		err = t.Card.Use(ctx, func(tx applet.Transmitter) error {
			c := &counter{tx: tx, now: t.Now, left: n}
			err := applet.Write(ctx, c, t.Profile, r, r.Sequence+1, record, sealed, t.keys)
			whole = err == nil
			if errors.Is(err, errCut) {
				return nil
			}
			return err
		})
		if err != nil {
			return r, t.fail("tear", fmt.Errorf("after %d commands: %w", n, err))
		}
		got, err := t.read(ctx)
		if err != nil {
			return r, t.fail("tear", fmt.Errorf("reading after %d commands: %w", n, err))
		}
		if !t.judge(got.Record, got.ChipSerial) || !bytes.Equal(got.Record, r.Record) && !bytes.Equal(got.Record, record) {
			return r, t.fail("tear", fmt.Errorf("torn after %d commands, the card holds neither the old nor the new record: the two slots are not independent", n))
		}
		r = got
		if whole {
			break
		}
		cuts++
	}
	t.say(Good, "tear", "held back after each of %d commands of a write and reset: old or new record each time", cuts)
	return r, nil
}

// strangers sees that a card with keys is not written or proven without them.
func (t *Trial) strangers(ctx context.Context, r applet.Reading) error {
	if !t.Profile.Secret() {
		t.say(Left, "strangers", "the profile has no keys: whoever has a reader can overwrite this card (he cannot sign)")
		return nil
	}
	record, sealed, err := t.records(r.ChipSerial, r.Sequence+1)
	if err != nil {
		return err
	}
	// Without showing any key. Where writing is enciphered under a session, no command can even be formed: the template wants the session's keys.
	bare := t.Profile.Without(profiles.Unlock)
	err = t.Card.Use(ctx, func(tx applet.Transmitter) error {
		return applet.Write(ctx, tx, bare, r, r.Sequence+1, record, sealed, applet.ReadBackLater())
	})
	if err == nil {
		t.say(Bad, "strangers", "the card was written without any key: its access rules do not bite")
		return errFailed
	}
	stranger := t.master("a stranger", true)
	err = t.Card.Use(ctx, func(tx applet.Transmitter) error {
		return applet.Write(ctx, tx, t.Profile, r, r.Sequence+1, record, sealed, stranger)
	})
	var refused *applet.CardError
	switch {
	case err == nil:
		t.say(Bad, "strangers", "the card was written under other keys")
		return errFailed
	case errors.As(err, &refused) || errors.Is(err, applet.ErrNotProof):
		t.say(Good, "strangers", "refused: %v", err)
	default:
		return t.fail("strangers", err)
	}
	if !t.Profile.Has(profiles.Check) {
		return nil
	}
	if err := t.use(ctx, "check", func(tx applet.Transmitter) error { return applet.Check(ctx, tx, t.Profile, r.ChipSerial, t.keys) }); err != nil {
		return t.fail("check", err)
	}
	t.say(Good, "check", "the chip proves its key to the issuer; %s", t.costs("check"))
	if err := t.Card.Use(ctx, func(tx applet.Transmitter) error {
		return applet.Check(ctx, tx, t.Profile, r.ChipSerial, stranger)
	}); err == nil {
		t.say(Bad, "check", "the chip proves any key: check proves nothing")
	}
	// The right keys once more: error counters are whole again.
	if err := t.use(ctx, "check", func(tx applet.Transmitter) error { return applet.Check(ctx, tx, t.Profile, r.ChipSerial, t.keys) }); err != nil {
		return t.fail("check", err)
	}
	return nil
}

func (t *Trial) costs(name string) string {
	c := t.cost[name]
	return fmt.Sprintf("%d APDUs, %d bytes, %v", c.apdus, c.bytes, c.spent.Round(10*time.Microsecond))
}

func what(r applet.Reading) string {
	switch {
	case r.Record != nil:
		return "an earlier trial's card"
	case r.Torn:
		return "a torn card"
	case r.Prepared:
		return "a prepared card without a record"
	}
	return "a blank card"
}

func serialText(b []byte) string {
	if b == nil {
		return "none yet"
	}
	return fmt.Sprintf("%X", b)
}

func orElse(err error, text string) error {
	if err != nil {
		return err
	}
	return errors.New(text)
}
