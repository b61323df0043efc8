package profiles

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// blocks are the ciphers a profile may name and their block sizes in bytes.
var blocks = map[string]int{"3des": 8, "aes": 16, "sm4": 16}

func (b *builder) keys(y *fileYAML) {
	p := b.p
	if p.Cipher = y.Cipher.text; y.Cipher.line != 0 && blocks[p.Cipher] == 0 {
		b.fail(y.Cipher.line, "cipher %q: 3des, aes or sm4", p.Cipher)
	}
	for _, ky := range y.Keys {
		k := Key{Name: ky.Name.text, Size: 16}
		if _, own := p.values[k.Name]; !name(k.Name) || own {
			b.fail(ky.Name.line, "keys: name %q is missing, ill-formed or taken", k.Name)
		}
		if strings.HasPrefix(k.Name, Was) {
			b.fail(ky.Name.line, "keys: %s… is what a key was before rekey", Was)
		}
		if _, twice := p.Key(k.Name); twice {
			b.fail(ky.Name.line, "keys: name %q is taken", k.Name)
		}
		if p.Cipher == "" {
			b.fail(ky.Name.line, "cipher is missing: keys belong to 3des, aes or sm4")
		}
		if ky.Value.line != 0 {
			k.Value = b.hex(ky.Value, "keys."+k.Name)
			k.Size = len(k.Value)
			if ky.Size.line != 0 {
				b.fail(ky.Size.line, "keys.%s: a value has its own size", k.Name)
			}
		} else {
			k.Size = b.number(ky.Size, "keys."+k.Name+" size", 16, 16, 16)
		}
		if k.Size != 16 && !(p.Cipher == "3des" && (k.Size == 8 || k.Size == 24)) {
			b.fail(ky.Name.line, "keys.%s: %d bytes are no key of %s", k.Name, k.Size, p.Cipher)
		}
		p.Keys = append(p.Keys, k)
	}
	if y.Diversify.line == 0 {
		return
	}
	p.diversify = b.template(y.Diversify, "diversify")
	if n := b.p.Serial.Size; b.err == nil {
		d, err := p.Diversifier(make([]byte, n))
		most := 2*blocks[p.Cipher] - 1
		switch {
		case err != nil:
			b.fail(y.Diversify.line, "diversify: %v", strings.TrimPrefix(err.Error(), fmt.Sprintf("%s:%d: ", b.file, y.Diversify.line)))
		case len(d) == 0 || len(d) > most:
			b.fail(y.Diversify.line, "diversify: %d bytes: 1–%d are possible", len(d), most)
		case !slices.Contains(p.diversify.names(), "serial"):
			b.fail(y.Diversify.line, "diversify: without {serial} every chip has the same keys")
		}
	}
}

func (b *builder) template(l leaf, what string) *Template {
	if l.line == 0 {
		return nil
	}
	nodes, err := parseTemplate(l.text)
	if err != nil {
		b.fail(l.line, "%s: %v", what, err)
	}
	return &Template{Line: l.line, text: l.text, nodes: nodes}
}

// cuts reads "rnd:4 rest:*".
func (b *builder) cuts(l leaf, what string, rest bool) []Cut {
	var out []Cut
	if l.line == 0 {
		return nil
	}
	words := strings.Fields(l.text)
	for i, w := range words {
		n, size, ok := strings.Cut(w, ":")
		c := Cut{Name: n, Size: -1}
		var err error
		less, all := strings.CutPrefix(size, "*")
		switch {
		case !all:
			c.Size, err = strconv.Atoi(size)
		case less != "":
			var n int
			if n, err = strconv.Atoi(less); n > -1 || n < -64 {
				err = strconv.ErrRange
			}
			c.Less = -n
		}
		if !ok || err != nil || !name(n) || !all && (c.Size < 1 || c.Size > 256) || all && (!rest || c.Less == 0 && i != len(words)-1) {
			b.fail(l.line, "%s: %q: name:size pairs are wanted, 1–256 bytes; the last may be name:*, and name:*-8 is all but the last 8", what, w)
		}
		if _, own := b.p.values[n]; own {
			b.fail(l.line, "%s: %q is a value of the profile", what, n)
		}
		if _, key := b.p.Key(n); key {
			b.fail(l.line, "%s: %q is a key", what, n)
		}
		out = append(out, c)
	}
	if len(out) == 0 {
		b.fail(l.line, "%s: empty", what)
	}
	return out
}

func (b *builder) step(y stepYAML, success []uint16, what string) Step {
	s := Step{Good: success, Note: y.Note.text}
	if y.OK != nil {
		s.Good = b.statusWords(y.OK, what+" ok")
	}
	s.Send, s.To, s.Same = b.template(y.Send, what), b.template(y.To, what), b.template(y.Same, what)
	s.Take, s.Set = b.cuts(y.Take, what+" take", true), y.Set.text
	if r := b.cuts(y.Random, what+" random", false); len(r) > 0 {
		s.Random = &r[0]
		if len(r) > 1 {
			b.fail(y.Random.line, "%s: one random value a step", what)
		}
	}
	for _, u := range y.Use {
		s.Use = append(s.Use, u.text)
	}
	for _, u := range y.Fresh {
		s.Fresh = append(s.Fresh, u.text)
	}
	kinds := 0
	for _, l := range []leaf{y.Send, y.Set, y.Same, y.Random} {
		if l.line != 0 {
			kinds, s.Line = kinds+1, l.line
		}
	}
	if len(y.Use) > 0 {
		kinds, s.Line = kinds+1, y.Use[0].line
	}
	line := max(s.Line, y.Note.line, y.To.line, y.Take.line)
	switch {
	case kinds == 0:
		b.fail(line, "%s: send is missing", what)
	case kinds > 1:
		b.fail(line, "%s: one of send, set, same, random and use a step", what)
	case (s.To != nil) != (s.Set != "" || s.Same != nil):
		b.fail(line, "%s: set and same go with to", what)
	case (s.Take != nil || y.OK != nil) && s.Send == nil:
		b.fail(line, "%s: take and ok go with send", what)
	case y.Set.line != 0 && !name(s.Set):
		b.fail(line, "%s: set: %q is not a name", what, s.Set)
	case s.Fresh != nil && !sameNames(s.Use, s.Fresh):
		b.fail(y.Fresh[0].line, "%s: fresh names the procedures of use in another order", what)
	case len(y.Steps) > 0:
		b.fail(line, "%s: steps belong to an operation", what)
	}
	switch y.Each.text {
	case "":
	case "file":
		s.Each = true
		if s.Send == nil {
			b.fail(y.Each.line, "%s: each goes with send", what)
		}
	default:
		b.fail(y.Each.line, "%s: each: only \"file\" is known", what)
	}
	for _, t := range []*Template{s.Send, s.To, s.Same} {
		if t != nil {
			s.uses = append(append(s.uses, t.names()...), t.keys()...)
		}
	}
	return s
}

func sameNames(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// steps reads procedures, operations and preparation, and tries all of them dry.
func (b *builder) steps(y *fileYAML, success []uint16) {
	for n, list := range y.Proc {
		if !name(n) {
			b.fail(1, "procedures: %q: a name is a–z, 0–9 and _", n)
		}
		b.p.procedures[n] = b.list(list, success, "procedures."+n)
	}
	for op, s := range y.Ops {
		what := "operations." + op
		if _, ok := given[Operation(op)]; !ok {
			b.fail(s.Send.line, "operations: unknown operation %q", op)
			continue
		}
		if s.Each.line != 0 {
			b.fail(s.Each.line, "%s: each belongs to prepare", what)
		}
		if len(s.Steps) == 0 {
			b.p.operations[Operation(op)] = []Step{b.step(s, success, what)}
			continue
		}
		if s.Send.line != 0 {
			b.fail(s.Send.line, "%s: either send or steps", what)
		}
		b.p.operations[Operation(op)] = b.list(s.Steps, success, what)
	}
	b.wanted(y)
	b.p.Prepare = nil
	for i, s := range y.Prepare {
		b.p.Prepare = append(b.p.Prepare, b.step(s, success, fmt.Sprintf("prepare step %d", i+1)))
	}
	if len(y.Rekey) > 0 {
		if b.p.Rekey = b.list(y.Rekey, success, "rekey"); !b.p.Secret() {
			b.fail(b.p.Rekey[0].Line, "rekey: no key of this profile is the issuer's")
		}
	}
	if b.err == nil {
		b.tryAll()
	}
}

func (b *builder) list(ys []stepYAML, success []uint16, what string) []Step {
	var out []Step
	for i, s := range ys {
		if s.Each.line != 0 {
			b.fail(s.Each.line, "%s: each belongs to prepare", what)
		}
		out = append(out, b.step(s, success, fmt.Sprintf("%s step %d", what, i+1)))
	}
	return out
}

// wanted checks that the operations a card cannot do without are there.
func (b *builder) wanted(y *fileYAML) {
	for _, op := range []Operation{SelectApplication, Read, Write} {
		if !b.p.Has(op) {
			b.fail(1, "operations.%s is missing", op)
		}
	}
	if y.Limits.Chain.line != 0 && (!b.p.Has(More) || len(b.p.more) == 0) {
		b.fail(y.Limits.Chain.line, "limits.chain wants operations.more and status.more: how the rest of an answer is fetched, and the word that says there is one")
	}
	direct := b.p.Direct()
	if !direct && !b.p.Has(SelectFile) && !(b.p.Has(ReadShort) && b.p.Has(WriteShort)) {
		b.fail(1, "operations: either select_file, or both read_short and write_short are wanted, or read and write that name {file} or {sfi}")
	}
	if !direct && !b.p.Has(SelectFile) {
		for _, s := range b.p.Slots {
			for _, pl := range []Place{s.Public, s.Sealed} {
				if pl.File != nil && (pl.File.SFI == 0 || pl.Offset+b.p.Limits.First > 255) {
					b.fail(y.Limits.First.line, "without select_file every slot is reached by short id: its file wants an sfi, and offset + limits.first at most 255")
				}
			}
		}
	}
	if b.p.Serial.File != nil && !b.p.Has(SeedSerial) {
		b.fail(1, "operations.seed_serial is missing: serial.file says that the serial is written at preparation")
	}
	if b.p.Serial.File == nil && !b.p.Has(ReadSerial) {
		b.fail(1, "operations.read_serial is missing: a blank card must be told apart before it is written")
	}
	if b.p.Serial.File != nil && b.p.Secret() {
		b.fail(1, "keys: a chip without a serial of its own has nothing to diversify by")
	}
	if b.p.Level == 2 && !b.p.Has(Check) {
		b.fail(y.Level.line, "level: 2 wants operations.check, by which the chip proves its key")
	}
	if b.p.Has(PublicKey) != b.p.Has(Prove) {
		b.fail(y.Level.line, "operations: public_key and prove go together")
	}
	if b.p.Level == 3 && !b.p.Pair() {
		b.fail(y.Level.line, "level: 3 wants operations.public_key and prove, by which the chip shows a key pair of its own")
	}
	b.guard(y)
	if b.p.Has(Check) && !proves(b.p.operations[Check]) {
		b.fail(y.Ops[string(Check)].Send.line, "operations.check proves nothing: it wants a step `same`, or an answer that only the key's owner can give")
	}
}

// guard checks what belongs to a sealed place that only readers with a key open.
func (b *builder) guard(y *fileYAML) {
	p := b.p
	k, named := p.Key(ReadKey)
	line := 1
	if p.Has(OpenSealed) {
		line = p.operations[OpenSealed][0].Line
	}
	switch {
	case !p.Has(OpenSealed) && (p.Has(ReadSealed) || len(p.guarded) > 0 || y.Limits.Sealed.line != 0):
		b.fail(1, "read_sealed, status.guarded and limits.sealed go with operations.open_sealed")
	case !p.Has(OpenSealed) && named:
		b.fail(1, "keys.%s opens the sealed place for readers: it goes with operations.open_sealed", ReadKey)
	case !p.Has(OpenSealed):
	case !named || k.Value != nil:
		b.fail(line, "operations.open_sealed wants the chip's own key %q, and no other: it is what readers have", ReadKey)
	case len(p.guarded) == 0:
		b.fail(line, "operations.open_sealed wants status.guarded: the words by which the card keeps the sealed place from those who did not show the key")
	case y.Limits.Sealed.line != 0 && !p.Has(ReadSealed):
		b.fail(y.Limits.Sealed.line, "limits.sealed goes with operations.read_sealed")
	}
	if p.Has(ReadSealed) && !slices.ContainsFunc(p.operations[ReadSealed], func(s Step) bool {
		return slices.ContainsFunc(s.Take, func(c Cut) bool { return c.Name == Clear })
	}) {
		b.fail(p.operations[ReadSealed][0].Line, "operations.read_sealed: must take {%s}, the data of its answer", Clear)
	}
	for _, op := range []Operation{OpenSealed, ReadSealed} {
		b.readersOwn(p.operations[op], string(op), 0)
	}
}

// readersOwn refuses steps that want a key which no reader has.
func (b *builder) readersOwn(steps []Step, what string, depth int) {
	for _, s := range steps {
		for _, n := range s.Uses() {
			if k, ok := b.p.Key(n); ok && k.Value == nil && n != ReadKey {
				b.fail(s.Line, "operations.%s: a reader has no key %q, only %q", what, n, ReadKey)
			}
		}
		for _, u := range s.Use {
			if depth < 4 { // deeper is refused elsewhere
				b.readersOwn(b.p.procedures[u], what, depth+1)
			}
		}
	}
}

func proves(steps []Step) bool {
	return slices.ContainsFunc(steps, func(s Step) bool { return s.Same != nil || s.Use != nil })
}

// tryAll runs every operation, procedure and preparation dry, with the largest values it can meet.
func (b *builder) tryAll() {
	p := b.p
	serial := make([]byte, p.Serial.Size)
	// What unlock leaves behind (session keys, counters) is there for what follows it.
	unlocked := b.dry("operations.unlock", p.operations[Unlock], Args{"serial": serial})
	// And what open_sealed does, for read_sealed.
	opened := b.dry("operations.open_sealed", p.operations[OpenSealed], Args{"serial": serial})
	for op, steps := range p.operations {
		what := "operations." + string(op)
		b.ownNames(what, op, steps)
		for _, s := range p.given(op) {
			if _, own := p.values[s]; own {
				b.fail(steps[0].Line, "%s: values.%s hides the operation's own {%s}", what, s, s)
			}
		}
		for _, must := range given[op].must {
			if !slices.ContainsFunc(steps, func(s Step) bool { return slices.Contains(s.Uses(), must) }) {
				b.fail(steps[0].Line, "%s: the template must use {%s}", what, must)
			}
		}
		if op == Unlock || op == OpenSealed {
			continue
		}
		base := Args{}
		if op == Write || op == WriteShort || op == Commit {
			base = maps.Clone(unlocked)
		}
		if op == ReadSealed {
			base = maps.Clone(opened)
		}
		short := op == ReadShort || op == WriteShort
		if !slices.Contains([]Operation{SelectFile, Read, ReadShort, ReadSealed, Write, WriteShort}, op) {
			base["serial"] = serial
			if !slices.Contains(given[op].may, "serial") {
				delete(base, "serial")
			}
			if op == Prove {
				base["digest"] = make([]byte, DigestSize)
			}
			b.gives(op, steps, b.dry(what, steps, base))
			continue
		}
		for _, f := range p.Files {
			if short && f.SFI == 0 {
				continue
			}
			a := maps.Clone(base)
			all := f.Args()
			all["offset"], all["count"], all["data"] = f.Size-1, p.Limits.Chain, make([]byte, p.Limits.Write)
			if short {
				all["offset"] = min(f.Size-1, 255)
			}
			switch op {
			case Write, WriteShort:
				all["count"] = p.Limits.Write
			case ReadSealed:
				all["count"] = p.Limits.Sealed
			}
			for _, v := range p.given(op) {
				a[v] = all[v]
			}
			if f.SFI == 0 {
				delete(a, "sfi")
			}
			b.dry(what, steps, a)
		}
	}
	env := Args{}
	if p.Serial.File == nil {
		env["serial"] = serial
	}
	for i, s := range p.Prepare {
		what := fmt.Sprintf("prepare step %d", i+1)
		if !s.Each {
			env = b.dry(what, []Step{s}, env)
			continue
		}
		for _, f := range p.Files {
			a := maps.Clone(env)
			maps.Copy(a, f.Args())
			if f.Access == nil {
				if slices.Contains(s.Send.names(), "access") {
					b.fail(s.Line, "file %s has no access bytes for {access}", f.Name)
				}
				delete(a, "access")
			}
			b.dry(what, []Step{s}, a)
		}
	}
	b.rekeying = true
	b.dry("rekey", p.Rekey, Args{"serial": serial})
	b.rekeying = false
	for n := range p.procedures {
		if !b.used(n) {
			b.fail(1, "procedures.%s is used nowhere", n)
		}
	}
}

// ownNames refuses steps that make a value of the name of one the operation is given.
func (b *builder) ownNames(what string, op Operation, steps []Step) {
	for _, s := range steps {
		names := []string{s.Set}
		for _, t := range s.Take {
			names = append(names, t.Name)
		}
		if s.Random != nil {
			names = append(names, s.Random.Name)
		}
		for _, n := range names {
			if slices.Contains(b.p.given(op), n) {
				b.fail(s.Line, "%s: {%s} is given to the operation: make a value of another name", what, n)
			}
		}
	}
}

// gives checks that the operations of a key pair leave what is asked of them.
func (b *builder) gives(op Operation, steps []Step, env Args) {
	if b.err != nil {
		return
	}
	size := func(name string) int {
		v, _ := env[name].([]byte)
		return len(v)
	}
	switch _, der := env["der"]; {
	case op == PublicKey && size("point") != PointSize:
		b.fail(steps[0].Line, "operations.public_key: must take or set {point}, %d bytes", PointSize)
	case op == Prove && !der && size("signature") != SignatureSize:
		b.fail(steps[0].Line, "operations.prove: must take or set {signature}, %d bytes, or {der}", SignatureSize)
	}
}

// given lists the values an operation has.
func (p *Profile) given(op Operation) []string { return given[op].may }

func (b *builder) used(procedure string) bool {
	in := func(steps []Step) bool {
		return slices.ContainsFunc(steps, func(s Step) bool { return slices.Contains(s.Use, procedure) })
	}
	for _, s := range b.p.operations {
		if in(s) {
			return true
		}
	}
	for _, s := range b.p.procedures {
		if in(s) {
			return true
		}
	}
	return in(b.p.Prepare) || in(b.p.Rekey)
}

// dry runs steps without a card: every name must be known, every size possible. It gives the values there are afterwards.
func (b *builder) dry(what string, steps []Step, have Args) Args {
	return b.dryDeep(what, steps, have, 0)
}

func (b *builder) dryDeep(what string, steps []Step, have Args, depth int) Args {
	env := maps.Clone(have)
	if depth > 4 {
		b.fail(1, "%s: procedures use each other more than four deep", what)
		return env
	}
	eval := func(t *Template) []byte {
		var missing []string
		for _, n := range t.names() {
			_, own := b.p.values[n]
			if _, ok := env[n]; !ok && !own {
				missing = append(missing, n)
			}
		}
		if len(missing) > 0 {
			b.fail(t.Line, "%s: no value {%s} here; known are %s", what, missing[0], strings.Join(b.known(env), " "))
			return nil
		}
		out, err := b.p.Eval(t, env, b.sizes(env))
		if err != nil {
			b.fail(t.Line, "%s: %s", what, strings.TrimPrefix(err.Error(), fmt.Sprintf("%s:%d: ", b.file, t.Line)))
		}
		return out
	}
	for _, s := range steps {
		switch {
		case b.err != nil:
			return env
		case s.Send != nil:
			if cmd := eval(s.Send); b.err == nil && (len(cmd) < 4 || len(cmd) > 261) {
				b.fail(s.Line, "%s: a command of %d bytes: 4–261 are possible", what, len(cmd))
			}
			for _, c := range s.Take {
				env[c.Name] = make([]byte, max(c.Size, 0))
			}
		case s.Set != "":
			env[s.Set] = eval(s.To)
		case s.Same != nil:
			if x, y := eval(s.Same), eval(s.To); b.err == nil && len(x) != len(y) {
				b.fail(s.Line, "%s: same: %d bytes can never equal %d", what, len(x), len(y))
			}
		case s.Random != nil:
			env[s.Random.Name] = make([]byte, s.Random.Size)
		}
		before := maps.Clone(env) // one way in leaves nothing to the others
		for i, n := range s.Use {
			proc, ok := b.p.procedures[n]
			if !ok {
				b.fail(s.Line, "%s: no procedure %q", what, n)
				return env
			}
			after := b.dryDeep("procedures."+n, proc, before, depth+1)
			if i == 0 {
				for k, v := range after {
					env[k] = v
				}
			}
		}
	}
	return env
}

func (b *builder) sizes(env Args) sizes {
	s := sizes{block: blocks[b.p.Cipher], keys: map[string]int{}}
	for n, v := range env {
		if raw, ok := v.([]byte); ok {
			s.keys[n] = len(raw)
		}
	}
	for _, k := range b.p.Keys {
		s.keys[k.Name] = k.Size
		if b.rekeying && k.Value == nil {
			s.keys[Was+k.Name] = k.Size
		}
	}
	return s
}

func (b *builder) known(env Args) []string {
	var out []string
	for n := range env {
		out = append(out, "{"+n+"}")
	}
	for n := range b.p.values {
		out = append(out, "{"+n+"}")
	}
	slices.Sort(out)
	return out
}
