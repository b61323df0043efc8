package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"xueji/cardsvc/credential"
	"xueji/issuer/internal/ceremony"
	"xueji/issuer/internal/custody"
	"xueji/issuer/internal/journal"
)

// ceremonyCmd is the way to real keys, step by step; docs/issuing-keys.md is its guide.
type ceremonyCmd struct {
	Root        ceremonyRootCmd        `cmd:"" help:"Step 1, offline machine: make the province's root."`
	Request     ceremonyRequestCmd     `cmd:"" help:"Step 2, issuing machine: make an issuing key and ask the root to certify it. Once a year."`
	Certify     ceremonyCertifyCmd     `cmd:"" help:"Step 3, offline machine: certify the key of a request for a year."`
	Accept      ceremonyAcceptCmd      `cmd:"" help:"Step 4, issuing machine: install the certificate."`
	Retire      ceremonyRetireCmd      `cmd:"" help:"Destroy an issuing key whose certificate has ended."`
	Masters     ceremonyMastersCmd     `cmd:"" help:"Card master keys: begin the next generation (--next), move those in files into a token (--token), destroy an old generation (--retire)."`
	Epoch       ceremonyEpochCmd       `cmd:"" help:"Begin a new epoch of the keys of sealed records: cards are rewritten at their next tap, and what a revoked kiosk holds opens them no more."`
	RetireEpoch ceremonyRetireEpochCmd `cmd:"" help:"Destroy the reading key of an old epoch."`
	Status      ceremonyStatusCmd      `cmd:"" help:"Show the issuing keys, their certificates and when the next is due."`
}

// scene is what every step's transcript says.
type scene struct {
	Present []string `required:"" sep:"none" placeholder:"NAME, OFFICE" help:"Who is present; repeat for each person. Two at least for root and certify."`
	Place   string   `required:"" help:"Where this happens and on which machine."`
	Lang    string   `default:"zh-Hans" enum:"zh-Hans,zh-Hant,en" help:"Language of the transcript: zh-Hans, zh-Hant or en."`
}

// secrets are where the root's passphrases come from.
type secrets struct {
	PassphraseFile []string `sep:"none" type:"existingfile" help:"File with a holder's passphrase on one line; repeat for each holder, always in the same order. Without: each holder is asked at the terminal."`
}

// finish prints and keeps the transcript.
func (s scene) finish(t terminal, dir string, step ceremony.Step, facts []ceremony.Fact) error {
	tr := ceremony.Transcript{Lang: ceremony.Lang(s.Lang), Step: step, At: t.now(), Place: s.Place, Program: "issuer " + versionText(), Present: s.Present, Facts: facts}
	path, err := tr.Keep(dir)
	if err != nil {
		return fmt.Errorf("the step is done, but its transcript could not be kept: %w", err)
	}
	_, err = fmt.Fprintf(t.out, "%s\nPrint and sign: %s\n", tr.Text(), path)
	return err
}

func facts(kv ...string) []ceremony.Fact {
	var out []ceremony.Fact
	for i := 0; i < len(kv); i += 2 {
		out = append(out, ceremony.Fact{Label: ceremony.Word(kv[i]), Value: kv[i+1]})
	}
	return out
}

func day(at time.Time) string { return at.In(ceremony.Zone).Format("2006-01-02 15:04") }

// read gives the passphrases of n holders; with n 0 as many as there are files, or as fresh says.
func (s secrets) read(t terminal, n int, fresh bool) (ceremony.Passphrases, error) {
	if len(s.PassphraseFile) > 0 {
		var out ceremony.Passphrases
		for _, path := range s.PassphraseFile {
			info, err := os.Stat(path)
			if err != nil {
				return nil, err
			}
			if info.Mode().Perm()&0o077 != 0 {
				return nil, fmt.Errorf("passphrase file %s has mode %04o: chmod 600, and delete it after the ceremony", path, info.Mode().Perm())
			}
			b, err := os.ReadFile(path)
			if err != nil {
				return nil, err
			}
			text := strings.TrimRight(string(b), "\r\n")
			clear(b)
			if strings.ContainsAny(text, "\r\n") || len(text) > 1024 {
				return nil, fmt.Errorf("passphrase file %s: one line is wanted", path)
			}
			out = append(out, text)
		}
		return out, nil
	}
	var out ceremony.Passphrases
	for i := range n {
		first, err := t.secret(fmt.Sprintf("passphrase of holder %d of %d: ", i+1, n))
		if err != nil {
			return nil, err
		}
		if fresh {
			again, err := t.secret("once more: ")
			if err != nil {
				return nil, err
			}
			if first != again {
				return nil, errors.New("the two are not alike; nothing was made, begin again")
			}
		}
		out = append(out, first)
	}
	return out, nil
}

type ceremonyRootCmd struct {
	scene
	secrets
	Dir       string `required:"" type:"path" help:"New folder for the root, on a medium that is locked away."`
	Authority string `required:"" help:"Province, six digits, such as 330000."`
	Suite     string `default:"ES256" enum:"ES256,SM2" help:"Algorithms: ES256 or SM2."`
	Holders   int    `default:"2" help:"How many people hold a passphrase each; all of them are needed to certify."`
	Token     string `placeholder:"PKCS11-URI" help:"Make the key inside this token instead: pkcs11:token=NAME?module-path=/lib.so&pin-source=/pin."`
}

// Run makes the root.
func (c ceremonyRootCmd) Run(t terminal) error {
	if err := ceremony.CheckPresent(ceremony.StepRoot, c.Present); err != nil {
		return err
	}
	if c.Holders < 1 || c.Holders > 16 {
		return errors.New("--holders: from 1 to 16")
	}
	var p ceremony.Passphrases
	if c.Token == "" {
		var err error
		if p, err = c.read(t, c.Holders, true); err != nil {
			return err
		}
	}
	r, err := ceremony.NewRoot(c.Dir, c.Authority, credential.Suite(c.Suite), p, c.Token, t.now())
	if err != nil {
		return err
	}
	root := r.Pinned()
	list := facts("authority", c.Authority, "suite", c.Suite, "root", ceremony.Fingerprint(root.Suite, root.PublicKey))
	if c.Token == "" {
		list = append(list, facts("kept_file", fmt.Sprint(len(p)))...)
	} else {
		list = append(list, facts("kept_token", tokenName(c.Token))...)
	}
	list = append(list, facts("file", ceremony.FileRoots, "file_print", ceremony.FileFingerprint(r.RootsFile()))...)
	return c.finish(t, c.Dir, ceremony.StepRoot, list)
}

// tokenName is the part of a URI that says which token, without paths.
func tokenName(uri string) string {
	name, _, _ := strings.Cut(uri, "?")
	return name
}

type ceremonyRequestCmd struct {
	scene
	Dir       string `required:"" type:"path" help:"The issuer's folder; made when it is not there."`
	Authority string `help:"For a new folder: the province, six digits."`
	Suite     string `default:"ES256" enum:"ES256,SM2" help:"For a new folder: ES256 or SM2."`
	From      string `placeholder:"DAY" help:"First day of the key's year, such as 2027-09-01. Default: today."`
	Out       string `required:"" type:"path" help:"File to write the request to, for the offline machine."`
	Token     string `placeholder:"PKCS11-URI" help:"Make the key inside this token instead of the folder."`
}

// Run makes a key and its request.
func (c ceremonyRequestCmd) Run(t terminal) error {
	if err := ceremony.CheckPresent(ceremony.StepRequest, c.Present); err != nil {
		return err
	}
	from := t.now()
	if c.From != "" {
		var err error
		if from, err = ceremony.Day(c.From); err != nil {
			return err
		}
	}
	if _, err := os.Lstat(c.Out); err == nil {
		return fmt.Errorf("%s is there already", c.Out)
	}
	f, err := custody.OpenFolder(c.Dir)
	if errors.Is(err, custody.ErrNotIssuer) {
		if c.Authority == "" {
			return fmt.Errorf("%s is a new issuer: say its province with --authority", c.Dir)
		}
		f, err = custody.CreateFolder(c.Dir, c.Authority, credential.Suite(c.Suite), t.now())
	}
	if err != nil {
		return err
	}
	if c.Authority != "" && c.Authority != f.Authority() {
		return fmt.Errorf("%s is the folder of authority %s", c.Dir, f.Authority())
	}
	key, done, err := f.NewKey(c.Token, t.now())
	if err != nil {
		return err
	}
	defer done()
	v := ceremony.Year(from)
	req, err := ceremony.NewRequest(key, f.Authority(), v)
	if err != nil {
		return err
	}
	if err := writeNew(c.Out, req); err != nil {
		return err
	}
	id := key.KeyID()
	list := facts("authority", f.Authority(), "suite", string(f.Suite()), "key", ceremony.Fingerprint(key.Suite(), key.PublicKey()), "key_id", hex.EncodeToString(id[:]),
		"from", day(v.From), "until", day(v.Until))
	if c.Token == "" {
		list = append(list, facts("kept_folder", ceremonyYes(c.Lang))...)
	} else {
		list = append(list, facts("kept_token", tokenName(c.Token))...)
	}
	list = append(list, facts("file", filepath.Base(c.Out), "file_print", ceremony.FileFingerprint(req))...)
	return c.finish(t, c.Dir, ceremony.StepRequest, list)
}

func ceremonyYes(lang string) string { return ceremony.Yes(ceremony.Lang(lang)) }

func writeNew(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err2 := f.Close(); err == nil {
		err = err2
	}
	return err
}

type ceremonyCertifyCmd struct {
	scene
	secrets
	Root        string `required:"" type:"existingdir" help:"The root's folder."`
	Request     string `required:"" type:"existingfile" help:"The request."`
	Fingerprint string `placeholder:"HEX" help:"The issuing key's fingerprint as the request's signed transcript shows it, read aloud and typed: five groups at least. Without it the request is shown and nothing signed."`
	From        string `placeholder:"DAY" help:"First day, if not the one asked for."`
	AllowGap    bool   `help:"Certify although days without a valid issuing key would lie before it."`
	Out         string `required:"" type:"path" help:"File to write the certificate to."`
}

// Run certifies.
func (c ceremonyCertifyCmd) Run(t terminal) error {
	if err := ceremony.CheckPresent(ceremony.StepCertify, c.Present); err != nil {
		return err
	}
	r, err := ceremony.OpenRoot(c.Root)
	if err != nil {
		return err
	}
	b, err := os.ReadFile(c.Request)
	if err != nil {
		return err
	}
	q, err := ceremony.ParseRequest(b)
	if err != nil {
		return err
	}
	full := ceremony.Fingerprint(q.Suite, q.PublicKey)
	if c.Fingerprint == "" {
		_, err := fmt.Fprintf(t.out, "authority %s, suite %s, asked for %s to %s\nRead the fingerprint from the request's signed transcript and give it with --fingerprint. Nothing was signed.\n",
			q.Authority, q.Suite, day(q.Validity.From), day(q.Validity.Until))
		return err
	}
	if !ceremony.SameFingerprint(full, c.Fingerprint) {
		return errors.New("the fingerprint is not this request's (five groups at least are compared): the file is not the one that was asked for, or was changed on its way. Nothing was signed")
	}
	if _, err := os.Lstat(c.Out); err == nil {
		return fmt.Errorf("%s is there already", c.Out)
	}
	v := q.Validity
	if c.From != "" {
		from, err := ceremony.Day(c.From)
		if err != nil {
			return err
		}
		v = ceremony.Year(from)
	}
	if err := r.Check(q, v, c.AllowGap, t.now()); err != nil {
		return err
	}
	n, err := r.Holders()
	if err != nil {
		return err
	}
	var p ceremony.Passphrases
	if n > 0 {
		if p, err = c.read(t, n, false); err != nil {
			return err
		}
	}
	cert, err := r.Certify(q, v, p, c.AllowGap, t.now())
	if err != nil {
		return err
	}
	if err := writeNew(c.Out, cert); err != nil {
		return fmt.Errorf("the certificate is signed and logged, but could not be written: %w", err)
	}
	root := r.Pinned()
	list := facts("authority", q.Authority, "suite", string(q.Suite), "root", ceremony.Fingerprint(root.Suite, root.PublicKey), "key", full, "key_id", hex.EncodeToString(q.KeyID[:]),
		"from", day(v.From), "until", day(v.Until), "compared", ceremonyYes(c.Lang))
	if c.AllowGap {
		list = append(list, facts("gap", ceremonyYes(c.Lang))...)
	}
	list = append(list, facts("file", filepath.Base(c.Out), "file_print", ceremony.FileFingerprint(cert))...)
	return c.finish(t, c.Root, ceremony.StepCertify, list)
}

type ceremonyAcceptCmd struct {
	scene
	Dir         string `required:"" type:"existingdir" help:"The issuer's folder."`
	Certificate string `required:"" type:"existingfile" help:"The certificate."`
	Roots       string `type:"existingfile" help:"The root's roots.cbor: the first time, or to add a root."`
	Fingerprint string `placeholder:"HEX" help:"With --roots: the root's fingerprint from its signed transcript, five groups at least."`
}

// Run installs the certificate.
func (c ceremonyAcceptCmd) Run(t terminal) error {
	if err := ceremony.CheckPresent(ceremony.StepAccept, c.Present); err != nil {
		return err
	}
	f, err := custody.OpenFolder(c.Dir)
	if err != nil {
		return err
	}
	cert, err := os.ReadFile(c.Certificate)
	if err != nil {
		return err
	}
	var roots []byte
	var list []ceremony.Fact
	if c.Roots != "" {
		if roots, err = os.ReadFile(c.Roots); err != nil {
			return err
		}
		all, err := credential.DecodeRoots(roots)
		if err != nil {
			return fmt.Errorf("%s: %w", c.Roots, err)
		}
		for _, r := range all {
			full := ceremony.Fingerprint(r.Suite, r.PublicKey)
			if len(all) != 1 || !ceremony.SameFingerprint(full, c.Fingerprint) {
				return errors.New("give the root's fingerprint from its signed transcript with --fingerprint, five groups at least; it is not that of this roots file. Nothing was installed")
			}
			list = facts("root", full)
		}
	}
	got, err := f.Accept(cert, roots)
	if err != nil {
		return err
	}
	list = append(facts("authority", got.Authority, "suite", string(got.Suite)), list...)
	list = append(list, facts("key", ceremony.Fingerprint(got.Suite, got.PublicKey), "key_id", hex.EncodeToString(got.KeyID[:]), "from", day(got.NotBefore), "until", day(got.NotAfter),
		"file", filepath.Base(c.Certificate), "file_print", ceremony.FileFingerprint(cert))...)
	return c.finish(t, c.Dir, ceremony.StepAccept, list)
}

type ceremonyRetireCmd struct {
	scene
	Dir string `required:"" type:"existingdir" help:"The issuer's folder."`
	Key string `required:"" help:"Key id, as status shows it."`
}

// Run destroys an ended key.
func (c ceremonyRetireCmd) Run(t terminal) error {
	if err := ceremony.CheckPresent(ceremony.StepRetire, c.Present); err != nil {
		return err
	}
	f, err := custody.OpenFolder(c.Dir)
	if err != nil {
		return err
	}
	if err := f.Retire(strings.ToLower(c.Key), t.now()); err != nil {
		return err
	}
	return c.finish(t, c.Dir, ceremony.StepRetire, facts("authority", f.Authority(), "suite", string(f.Suite()), "key_id", strings.ToLower(c.Key)))
}

type ceremonyMastersCmd struct {
	scene
	Dir    string `required:"" type:"existingdir" help:"The issuer's folder. The issuer must not be running."`
	Next   bool   `xor:"act" required:"" help:"Draw the next generation: chips get keys of it when they are written next."`
	Token  string `xor:"act" required:"" placeholder:"PKCS11-URI" help:"Move the keys (3DES and AES) from the folder into this token, for good: pkcs11:token=NAME?module-path=/lib.so&pin-source=/pin."`
	Retire int    `xor:"act" required:"" placeholder:"GENERATION" help:"Destroy an old generation: chips that still have keys of it can be neither proven nor written any more."`
}

// Run changes the master keys.
func (c ceremonyMastersCmd) Run(t terminal) error {
	if err := ceremony.CheckPresent(ceremony.StepMasters, c.Present); err != nil {
		return err
	}
	f, err := custody.OpenFolder(c.Dir)
	if err != nil {
		return err
	}
	switch {
	case c.Next:
		gen, err := f.NextMasters()
		if err != nil {
			return err
		}
		return c.finish(t, c.Dir, ceremony.StepNextMasters, facts("authority", f.Authority(), "generation", strconv.Itoa(gen), "generations_kept", numbers(f.Generations()), "kept_folder", ceremonyYes(c.Lang)))
	case c.Retire != 0:
		if left, err := chipsOf(c.Dir, c.Retire); err != nil {
			return err
		} else if left > 0 {
			fmt.Fprintf(t.out, "note: by the journal %d chips still have keys of generation %d\n", left, c.Retire)
		}
		if err := f.RetireMasters(c.Retire); err != nil {
			return err
		}
		return c.finish(t, c.Dir, ceremony.StepRetireMasters, facts("authority", f.Authority(), "generation", strconv.Itoa(c.Retire), "generations_kept", numbers(f.Generations())))
	}
	moved, err := f.MoveMasters(c.Token)
	if err != nil {
		return err
	}
	list := facts("authority", f.Authority(), "kept_token", tokenName(c.Token))
	for _, m := range moved {
		list = append(list, facts("master", string(m))...)
	}
	return c.finish(t, c.Dir, ceremony.StepMasters, list)
}

type ceremonyEpochCmd struct {
	scene
	Dir string `required:"" type:"existingdir" help:"The issuer's folder. A running issuer sees the new epoch when it is started again."`
}

// Run begins an epoch.
func (c ceremonyEpochCmd) Run(t terminal) error {
	if err := ceremony.CheckPresent(ceremony.StepEpoch, c.Present); err != nil {
		return err
	}
	f, err := custody.OpenFolder(c.Dir)
	if err != nil {
		return err
	}
	epoch, err := f.NewEpoch()
	if err != nil {
		return err
	}
	return c.finish(t, c.Dir, ceremony.StepEpoch, facts("authority", f.Authority(), "suite", string(f.Suite()), "epoch", strconv.Itoa(int(epoch)), "epochs_kept", numbers(f.Epochs()),
		"kept_folder", ceremonyYes(c.Lang)))
}

type ceremonyRetireEpochCmd struct {
	scene
	Dir   string `required:"" type:"existingdir" help:"The issuer's folder."`
	Epoch uint16 `required:"" help:"The epoch, as status shows it; not the newest."`
}

// Run destroys a reading key.
func (c ceremonyRetireEpochCmd) Run(t terminal) error {
	if err := ceremony.CheckPresent(ceremony.StepRetireEpoch, c.Present); err != nil {
		return err
	}
	f, err := custody.OpenFolder(c.Dir)
	if err != nil {
		return err
	}
	if err := f.RetireEpoch(c.Epoch); err != nil {
		return err
	}
	return c.finish(t, c.Dir, ceremony.StepRetireEpoch, facts("authority", f.Authority(), "epoch", strconv.Itoa(int(c.Epoch)), "epochs_kept", numbers(f.Epochs())))
}

// chipsOf counts the chips that the journal knows to have keys of a generation. A running issuer may write it meanwhile.
func chipsOf(dir string, gen int) (int, error) {
	j, _, err := journal.Look(filepath.Join(dir, custody.FileJournal))
	if err != nil {
		return 0, err
	}
	return j.Generations()[gen], nil
}

func numbers[N int | uint16](list []N) string {
	var out []string
	for _, e := range list {
		out = append(out, strconv.Itoa(int(e)))
	}
	return strings.Join(out, ", ")
}

type ceremonyStatusCmd struct {
	Dir string `required:"" type:"existingdir" help:"The issuer's folder."`
}

// Run shows the keys.
func (c ceremonyStatusCmd) Run(t terminal) error {
	f, err := custody.OpenFolder(c.Dir)
	if err != nil {
		return err
	}
	keys, err := f.Keys()
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "KEY\tSTATE\tFROM\tUNTIL\tPLACE")
	var end time.Time
	var signing string // of the valid ones the last to begin signs
	var began time.Time
	for _, k := range keys {
		if !k.Pending && k.Place != "destroyed" && !t.now().Before(k.Certificate.NotBefore) && t.now().Before(k.Certificate.NotAfter) && !k.Certificate.NotBefore.Before(began) {
			signing, began = k.KeyID, k.Certificate.NotBefore
		}
	}
	for _, k := range keys {
		state, from, until := "waits for its certificate", "-", "-"
		if !k.Pending {
			from, until = day(k.Certificate.NotBefore), day(k.Certificate.NotAfter)
			if k.Place != "destroyed" && k.Certificate.NotAfter.After(end) {
				end = k.Certificate.NotAfter
			}
			switch {
			case !t.now().Before(k.Certificate.NotAfter):
				state = "ended"
			case t.now().Before(k.Certificate.NotBefore):
				state = "coming"
			case k.KeyID == signing:
				state = "signs"
			default:
				state = "overlaps"
			}
		}
		place := k.Place
		if strings.Contains(place, "?") {
			place = tokenName(place)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", k.KeyID, state, from, until, place)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if e := f.Epochs(); len(e) > 0 {
		fmt.Fprintf(t.out, "epochs kept: %s; new cards are made on %d\n", numbers(e), e[len(e)-1])
	}
	for _, g := range f.Generations() {
		n, err := chipsOf(c.Dir, g)
		if err != nil {
			return err
		}
		fmt.Fprintf(t.out, "card master keys, generation %d: on %d chips by the journal\n", g, n)
	}
	switch due := end.Add(-ceremony.Overlap); {
	case end.IsZero():
		_, err = fmt.Fprintln(t.out, "no key is certified yet")
	case t.now().Before(due):
		_, err = fmt.Fprintf(t.out, "the next key is due on %s\n", due.In(ceremony.Zone).Format(time.DateOnly))
	default:
		_, err = fmt.Fprintf(t.out, "the next key is due now: no card can be made after %s\n", day(end))
	}
	return err
}
