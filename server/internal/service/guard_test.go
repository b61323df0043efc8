package service

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"xueji/server/api"
	"xueji/server/internal/audit"
	"xueji/server/internal/demo"
	"xueji/server/internal/factor"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// why is the reason in an error, "" when there is none.
func why(err error) string {
	var e *registry.Error
	if err == nil {
		return ""
	}
	e, _ = err.(*registry.Error)
	if e == nil {
		return err.Error()
	}
	if w := e.Params["why"]; w != "" {
		return w
	}
	return string(e.Code)
}

func (r *rig) signIn(login string, from From) SignedIn {
	r.t.Helper()
	return must[SignedIn](r.t)(r.s.SignIn(r.ctx, login, demo.Password, from))
}

// who is the signed-in holder of a token.
func (r *rig) who(token string) Staff {
	r.t.Helper()
	return must[Staff](r.t)(r.s.WhoIs(r.ctx, token))
}

// app is a person's authenticator.
func (r *rig) app(e Enrolling) func() string {
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(e.Secret)
	if err != nil {
		r.t.Fatal(err)
	}
	return func() string { return factor.Code(secret, factor.Step(r.now())) }
}

func TestSecondFactor(t *testing.T) {
	r := newRig(t)
	here := From{Remote: "192.0.2.1", Agent: "Mozilla/5.0 (Windows NT 10.0) Chrome/140.0"}
	// Every role must have two factors, and works bare until it has them; where the operator asks it of some roles alone, the others are let be.
	for _, login := range []string{"registrar.yunhe", "leader.yunhe", "clerk.yunhe", "operator", "security.province", "auditor.province"} {
		if !r.who(r.signIn(login, here).Staff.Token).Bare {
			t.Fatalf("%s with a password alone may work", login)
		}
	}
	in := r.signIn("officer.yunhe", here)
	if !r.who(in.Staff.Token).Bare {
		t.Fatal("an officer with a password alone may work")
	}
	asked := r.s.policy.SecondFactor
	r.s.policy.SecondFactor = []registry.Role{registry.RoleOfficer}
	if r.who(r.signIn("registrar.yunhe", here).Staff.Token).Bare || !r.who(in.Staff.Token).Bare {
		t.Fatal("the operator's list of roles does not count")
	}
	r.s.policy.SecondFactor = asked
	who := r.who(in.Staff.Token)
	e := must[Enrolling](t)(r.s.StartTOTP(r.ctx, who))
	code := r.app(e)
	_, err := r.s.ConfirmTOTP(r.ctx, who, e.Ticket, "000000", "")
	if why(err) != "code" {
		t.Fatal(err)
	}
	other := r.signIn("leader.yunhe", here)
	if _, err := r.s.ConfirmTOTP(r.ctx, r.who(other.Staff.Token), e.Ticket, code(), ""); why(err) != "code" {
		t.Fatalf("one session's secret was confirmed by another: %v", err)
	}
	recovery := must[[]string](t)(r.s.ConfirmTOTP(r.ctx, who, e.Ticket, code(), "手机"))
	if len(recovery) != factor.RecoveryCodes || r.who(in.Staff.Token).Bare {
		t.Fatalf("%d recovery codes", len(recovery))
	}
	// The codes stand nowhere. (That the secret is sealed is the store's part: storetest, NothingStandsInClear.)
	for _, f := range must[[]store.Factor](t)(r.st.Factors(r.ctx, who.ID)) {
		for _, c := range recovery {
			if strings.Contains(string(f.Secret), c) {
				t.Fatal("a recovery code lies in clear")
			}
		}
	}
	// From now on the password is half the way.
	half := r.signIn("officer.yunhe", here)
	if half.Staff.Token != "" || half.Half == "" || strings.Join(half.Ways, " ") != "totp recovery" {
		t.Fatalf("%+v", half)
	}
	if _, err := r.s.WhoIs(r.ctx, half.Half); registry.CodeOf(err) != registry.CodeNotFound {
		t.Fatal("half way in is in")
	}
	// The code that set it up is used.
	if _, err := r.s.Second(r.ctx, half.Half, Proof{Way: "totp", Code: code()}, here); why(err) != "code" {
		t.Fatalf("a used code: %v", err)
	}
	r.pass(factor.Period)
	now := code()
	done := must[SignedIn](t)(r.s.Second(r.ctx, half.Half, Proof{Way: "totp", Code: now}, here))
	if w := r.who(done.Staff.Token); w.Bare || w.ID != who.ID {
		t.Fatal("not whole")
	}
	if _, err := r.s.Second(r.ctx, half.Half, Proof{Way: "totp", Code: now}, here); registry.CodeOf(err) != registry.CodeNotFound {
		t.Fatalf("half a sign-in was used twice: %v", err)
	}
	half = r.signIn("officer.yunhe", here)
	if _, err := r.s.Second(r.ctx, half.Half, Proof{Way: "totp", Code: now}, here); why(err) != "code" {
		t.Fatalf("a code was replayed: %v", err)
	}
	// Of many at once with the same fresh code one gets in.
	r.pass(factor.Period)
	now = code()
	var wg sync.WaitGroup
	won := make(chan bool, 8)
	for range cap(won) {
		h := r.signIn("officer.yunhe", From{Remote: "192.0.2.1", Device: done.Device})
		wg.Go(func() {
			_, err := r.s.Second(r.ctx, h.Half, Proof{Way: "totp", Code: now}, From{Remote: "192.0.2.1", Device: done.Device})
			won <- err == nil
		})
	}
	wg.Wait()
	close(won)
	n := 0
	for ok := range won {
		if ok {
			n++
		}
	}
	if n != 1 {
		t.Fatalf("one code let %d in", n)
	}
	// A recovery code works once.
	half = r.signIn("officer.yunhe", From{Remote: "192.0.2.1", Device: done.Device})
	must[SignedIn](t)(r.s.Second(r.ctx, half.Half, Proof{Way: "recovery", Code: strings.ToLower(recovery[3])}, here))
	half = r.signIn("officer.yunhe", From{Remote: "192.0.2.1", Device: done.Device})
	if _, err := r.s.Second(r.ctx, half.Half, Proof{Way: "recovery", Code: recovery[3]}, here); why(err) != "code" {
		t.Fatalf("a recovery code worked twice: %v", err)
	}
	me := must[Me](t)(r.s.Me(r.ctx, r.who(done.Staff.Token)))
	if me.Recovery != factor.RecoveryCodes-1 || len(me.Factors) != 1 || !me.Needs {
		t.Fatalf("%+v", me)
	}
	// The last factor of a role that needs two cannot be dropped.
	if err := r.s.DropFactor(r.ctx, r.who(done.Staff.Token), me.Factors[0].ID); why(err) != "last_factor" {
		t.Fatal(err)
	}
	// Who lost them all and has nobody above is helped at the machine, and sets new ones up before any work.
	if err := r.s.ForgetFactors(r.ctx, who.ID); err != nil {
		t.Fatal(err)
	}
	if in := r.signIn("officer.yunhe", here); in.Half != "" || !r.who(in.Staff.Token).Bare {
		t.Fatalf("%+v", in)
	}
}

// Half a sign-in guesses no further than a few codes, and ends.
func TestCodeGuessing(t *testing.T) {
	r := newRig(t)
	here := From{Remote: "192.0.2.1"}
	in := r.signIn("officer.yunhe", here)
	e := must[Enrolling](t)(r.s.StartTOTP(r.ctx, r.who(in.Staff.Token)))
	must[[]string](t)(r.s.ConfirmTOTP(r.ctx, r.who(in.Staff.Token), e.Ticket, r.app(e)(), ""))
	total := 0
	for range 12 {
		half, err := r.s.SignIn(r.ctx, "officer.yunhe", demo.Password, From{Remote: "198.51.100.7"})
		if err != nil {
			break
		}
		for range tryCode + 1 {
			_, err = r.s.Second(r.ctx, half.Half, Proof{Way: "totp", Code: "000000"}, From{Remote: "198.51.100.7"})
			if why(err) == "code" {
				total++
			}
		}
		if _, _, err := r.s.Halfway(r.ctx, half.Half); registry.CodeOf(err) != registry.CodeNotFound {
			t.Fatal("still half way in after so many wrong codes")
		}
	}
	if total > 2*tryKnown {
		t.Fatalf("%d codes could be tried by somebody with the password", total)
	}
	// The owner's browser does not feel it.
	half := r.signIn("officer.yunhe", From{Remote: "192.0.2.1", Device: in.Device})
	r.pass(factor.Period)
	must[SignedIn](t)(r.s.Second(r.ctx, half.Half, Proof{Way: "totp", Code: r.app(e)()}, From{Remote: "192.0.2.1", Device: in.Device}))
}

// An attacker from elsewhere, however many addresses they have, cannot keep the owner from a browser that knows them, nor from their school's kiosk; and a new
// browser elsewhere is held up only by what comes from its own address, until a great many have tried.
func TestNobodyLocksOthersOut(t *testing.T) {
	r := newRig(t)
	r.authority()
	home := From{Remote: "192.0.2.1"}
	home.Device = r.signIn("registrar.yunhe", home).Device
	refused := map[string]int{}
	for i := range 200 {
		_, err := r.s.SignIn(r.ctx, "registrar.yunhe", "guess", From{Remote: fmt.Sprintf("198.51.100.%d", i%25)})
		refused[why(err)]++
		if i == 60 { // from the attacker's own address, without the cookie, even the right password waits
			if _, err := r.s.SignIn(r.ctx, "registrar.yunhe", demo.Password, From{Remote: "198.51.100.1"}); why(err) != "wait" {
				t.Fatalf("the attacker goes on guessing: %v", err)
			}
		}
	}
	if refused["password"] > tryLogin || refused["wait"] == 0 {
		t.Fatalf("%v", refused)
	}
	if in := r.signIn("registrar.yunhe", home); in.Staff.Token == "" {
		t.Fatal("the owner was locked out of their own browser")
	}
	// The attacker even sits behind the owner's own address.
	for range 30 {
		r.s.SignIn(r.ctx, "registrar.yunhe", "guess", From{Remote: home.Remote})
	}
	r.signIn("registrar.yunhe", home)
	d := r.device(demo.YunheShiyan)
	must[api.StaffSession](t)(r.s.DeviceSignIn(r.ctx, d.kiosk, api.SignIn{Login: "registrar.yunhe", Password: demo.Password}))
	// Somebody else's cookie is none for this account.
	stranger := r.signIn("leader.yunhe", From{Remote: "203.0.113.9"})
	if _, err := r.s.SignIn(r.ctx, "registrar.yunhe", demo.Password, From{Remote: "198.51.100.3", Device: stranger.Device}); why(err) != "wait" {
		t.Fatalf("another account's cookie counts as known: %v", err)
	}
	for _, forged := range []string{"", "~", strings.Repeat("a", 5000), home.Device + "x", strings.Replace(home.Device, ".", "~", 1)} {
		if _, ok := r.s.keys.knows(forged, "a-registrar.yunhe", r.now()); ok {
			t.Fatalf("%.40q is believed", forged)
		}
	}
	// A known browser guesses no further than its own count, and that outlives the process.
	for range tryKnown {
		r.s.SignIn(r.ctx, "registrar.yunhe", "guess", home)
	}
	r.st.Close()
	r.open()
	if _, err := r.s.SignIn(r.ctx, "registrar.yunhe", demo.Password, home); why(err) != "wait" {
		t.Fatalf("a restart forgave: %v", err)
	}
	r.pass(trySpan)
	r.signIn("registrar.yunhe", home)
	// A cookie of half a year ago is a stranger's.
	r.pass((deviceDays + 1) * 24 * time.Hour)
	if _, ok := r.s.keys.knows(home.Device, "a-registrar.yunhe", r.now()); ok {
		t.Fatal("a browser is known for ever")
	}
}

// Unknown browsers, waiting for the processor by the hundred, leave a turn for known ones.
func TestStrangersLeaveATurn(t *testing.T) {
	if n := runtime.GOMAXPROCS(0); n < 2 { // one processor strangers and known browsers share
		runtime.GOMAXPROCS(2)
		defer runtime.GOMAXPROCS(n)
	}
	r := newRig(t)
	home := From{Remote: "192.0.2.1"}
	home.Device = r.signIn("registrar.yunhe", home).Device
	for range cap(r.s.strangers) {
		r.s.strangers <- struct{}{}
	}
	ctx, cancel := context.WithCancel(r.ctx)
	cancel()
	if _, err := r.s.SignIn(ctx, "leader.yunhe", demo.Password, From{Remote: "198.51.100.2"}); err == nil {
		t.Fatal("a stranger did not wait")
	}
	r.signIn("registrar.yunhe", home)
}

func TestAccountsAreKept(t *testing.T) {
	r := newRig(t)
	sec := r.staff("security.yunhe")
	good := store.Account{Login: "li.na", Name: "李娜", Unit: demo.YunheShiyan, Role: registry.RoleRegistrar, TrainedOn: "2026-08-20", TrainedCert: "px-2026-001"}
	with := func(f func(*store.Account)) store.Account { a := good; f(&a); return a }
	// Art. 23, units, roles, logins.
	for what, c := range map[string]struct {
		a    store.Account
		want string
	}{
		"no training":           {with(func(a *store.Account) { a.TrainedOn = "" }), "training"},
		"training to come":      {with(func(a *store.Account) { a.TrainedOn = "2026-12-01" }), "training"},
		"no certificate":        {with(func(a *store.Account) { a.TrainedCert = " " }), "training"},
		"a role of offices":     {with(func(a *store.Account) { a.Role = registry.RoleOfficer }), "keeper"},
		"another county":        {with(func(a *store.Account) { a.Unit = demo.QingshiCentre }), "not_found"},
		"the city above":        {with(func(a *store.Account) { a.Unit, a.Role = demo.City, registry.RoleOfficer }), "not_found"},
		"their own watcher":     {with(func(a *store.Account) { a.Unit, a.Role = demo.Yunhe, registry.RoleAuditor }), "keeper"},
		"another like them":     {with(func(a *store.Account) { a.Unit, a.Role = demo.Yunhe, registry.RoleSecurity }), "keeper"},
		"a login with a letter": {with(func(a *store.Account) { a.Login = "李娜" }), "invalid"},
		"a login that is taken": {with(func(a *store.Account) { a.Login = "registrar.yunhe" }), "taken"},
	} {
		if _, _, err := r.s.NewAccount(r.ctx, sec, c.a); why(err) != c.want {
			t.Errorf("%s: %v, want %s", what, err, c.want)
		}
	}
	stale := sec
	stale.Fresh = false
	if _, _, err := r.s.NewAccount(r.ctx, stale, good); why(err) != "fresh" {
		t.Fatalf("without a fresh proof: %v", err)
	}
	for _, login := range []string{"operator", "officer.yunhe", "leader.yunhe", "auditor.yunhe", "security.qingshi"} {
		if _, _, err := r.s.NewAccount(r.ctx, r.staff(login), good); err == nil {
			t.Errorf("%s made an account", login)
		}
	}
	a, code, err := r.s.NewAccount(r.ctx, sec, good)
	if err != nil || a.TrainedCert != "PX-2026-001" {
		t.Fatal(a, err)
	}
	// No password until its owner sets one.
	if _, err := r.s.SignIn(r.ctx, "li.na", "", From{}); why(err) != "password" {
		t.Fatal(err)
	}
	for _, c := range []struct{ login, code, pass, want string }{
		{"li.na", "WRONG-CODE", "春眠不觉晓处处闻啼鸟", "invite"}, {"nobody", code, "春眠不觉晓处处闻啼鸟", "invite"}, {"li.na", code, "short", "short"},
		{"li.na", code, "1234567890", "easy"}, {"li.na", code, "li.na.2026", "easy"}, {"li.na", code, "aaaaaaaaaaaa", "easy"},
	} {
		if _, err := r.s.AcceptInvite(r.ctx, c.login, c.code, c.pass, From{Remote: "192.0.2.2"}); why(err) != c.want {
			t.Errorf("%+v: %v", c, err)
		}
	}
	in := must[SignedIn](t)(r.s.AcceptInvite(r.ctx, "LI.NA ", strings.ToLower(code), "春眠不觉晓处处闻啼鸟", From{Remote: "192.0.2.2"}))
	if r.who(in.Staff.Token).ID != a.ID {
		t.Fatal("not signed in")
	}
	if _, err := r.s.AcceptInvite(r.ctx, "li.na", code, "another password 2", From{Remote: "192.0.2.2"}); why(err) != "invite" {
		t.Fatalf("a code was used twice: %v", err)
	}
	// Nobody changes themselves or their own kind.
	if err := r.s.ChangeAccount(r.ctx, sec, store.Account{ID: sec.ID, Name: "x", Role: registry.RoleOfficer, TrainedOn: "2026-01-01", TrainedCert: "PX"}); why(err) != "keeper" {
		t.Fatal(err)
	}
	// One certificate, one duty.
	if _, _, err := r.s.NewAccount(r.ctx, sec, store.Account{Login: "op", Name: "李娜", Unit: demo.Yunhe, Role: registry.RoleOperator, TrainedOn: "2026-08-20", TrainedCert: "PX-2026-001"}); why(err) != "duties" {
		t.Fatalf("one person holds two duties: %v", err)
	}
	if err := r.s.ChangeAccount(r.ctx, sec, store.Account{ID: a.ID, Name: "李娜", Role: registry.RoleOperator, TrainedOn: "2026-08-20", TrainedCert: "PX-2026-001"}); why(err) != "duties" {
		t.Fatalf("a role crossed duties: %v", err)
	}
	if err := r.s.ChangeAccount(r.ctx, sec, store.Account{ID: a.ID, Name: "李娜", Role: registry.RoleLeader, TrainedOn: "2026-08-20", TrainedCert: "PX-2026-001"}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.s.WhoIs(r.ctx, in.Staff.Token); registry.CodeOf(err) != registry.CodeNotFound {
		t.Fatal("a session outlived its role")
	}
	// The tier above appoints watchers.
	if _, _, err := r.s.NewAccount(r.ctx, r.staff("security.city"), store.Account{Login: "watch", Name: "许晨", Unit: demo.Yunhe, Role: registry.RoleAuditor, TrainedOn: "2026-08-20", TrainedCert: "PX-7"}); err != nil {
		t.Fatal(err)
	}
	// Off, reset, sessions.
	in = must[SignedIn](t)(r.s.SignIn(r.ctx, "li.na", "春眠不觉晓处处闻啼鸟", From{Remote: "192.0.2.2"}))
	page := must[StaffPage](t)(r.s.StaffPage(r.ctx, sec, a.ID))
	if len(page.Sessions) != 1 || !page.Keep || page.Account.Password != "" {
		t.Fatalf("%+v", page)
	}
	if err := r.s.EndSession(r.ctx, sec, a.ID, page.Sessions[0].ID); err != nil {
		t.Fatal(err)
	}
	if _, err := r.s.WhoIs(r.ctx, in.Staff.Token); registry.CodeOf(err) != registry.CodeNotFound {
		t.Fatal("an ended session lives")
	}
	// Second factors are not taken away from somebody who has shown nothing; what they showed stands in the log.
	for _, none := range []string{"", "she sounded nice"} {
		_, err := r.s.ResetAccount(r.ctx, sec, a.ID, true, none)
		wantCode(t, err, registry.CodeInvalid)
	}
	code = must[string](t)(r.s.ResetAccount(r.ctx, sec, a.ID, true, Proofs[0]))
	es := must[[]audit.Entry](t)(r.st.Audit(r.ctx, store.AuditQuery{Subject: audit.SubjectOf(audit.ClassAccount, a.ID), Account: sec.ID, Limit: 100}))
	if !slices.ContainsFunc(es, func(e audit.Entry) bool { return e.What == "reset_factors_card" }) {
		t.Fatalf("%+v", es)
	}
	if _, err := r.s.SignIn(r.ctx, "li.na", "春眠不觉晓处处闻啼鸟", From{Remote: "192.0.2.2"}); why(err) != "password" {
		t.Fatalf("the old password lives: %v", err)
	}
	r.pass(r.s.policy.Invite)
	if _, err := r.s.AcceptInvite(r.ctx, "li.na", code, "another password 2", From{Remote: "192.0.2.4"}); why(err) != "invite" {
		t.Fatalf("a late code: %v", err)
	}
	if err := r.s.SwitchAccount(r.ctx, sec, a.ID, true); err != nil {
		t.Fatal(err)
	}
	if _, err := r.s.SignIn(r.ctx, "li.na", "another password 2", From{Remote: "192.0.2.5"}); why(err) != "password" {
		t.Fatal(err)
	}
	// The command line goes through the same rules.
	for what, c := range map[string]store.Account{
		"no training": {Login: "x.y", Name: "x", Unit: demo.Yunhe, Role: registry.RoleOfficer},
		"two duties":  {Login: "x.y", Name: "x", Unit: demo.Yunhe, Role: registry.RoleSecurity, TrainedOn: "2026-08-20", TrainedCert: "PX-7"},
	} {
		if _, err := r.s.AddAccount(r.ctx, c, "a good long password"); err == nil {
			t.Errorf("%s: made on the command line", what)
		}
	}
}

func TestSubstitution(t *testing.T) {
	r := newRig(t)
	here := From{Remote: "192.0.2.1"}
	lead, sec := r.staff("leader.yunhe"), r.staff("security.yunhe")
	sub := func(account, away string) store.Substitution {
		return store.Substitution{Account: "a-" + account, Away: "a-" + away, Until: r.s.Today().AddDays(5)}
	}
	for what, c := range map[string]struct {
		who  Staff
		v    store.Substitution
		want string
	}{
		"another unit":          {sec, sub("registrar.yunhe2", "registrar.yunhe"), "other_unit"},
		"another county":        {sec, sub("registrar.qingshi", "registrar.yunhe"), "not_found"},
		"oneself":               {sec, sub("registrar.yunhe", "registrar.yunhe"), "other_unit"},
		"into a duty":           {r.staff("security.city"), sub("officer.yunhe", "auditor.yunhe"), "duties"},
		"out of a duty":         {r.staff("security.city"), sub("auditor.yunhe", "officer.yunhe"), "duties"},
		"security into audit":   {r.staff("security.city"), sub("security.yunhe", "auditor.yunhe"), "duties"},
		"security to oneself":   {sec, sub("security.yunhe", "officer.yunhe"), "keeper"},
		"by a registrar":        {r.staff("registrar.yunhe"), sub("leader.yunhe", "registrar.yunhe"), "forbidden"},
		"by another leader":     {r.staff("leader.qingshi"), sub("leader.yunhe", "registrar.yunhe"), "not_found"},
		"without a fresh proof": {Staff{Account: lead.Account}, sub("leader.yunhe", "registrar.yunhe"), "fresh"},
	} {
		if err := r.s.NewSubstitution(r.ctx, c.who, c.v); why(err) != c.want {
			t.Errorf("%s: %v, want %s", what, err, c.want)
		}
	}
	v := sub("leader.yunhe", "registrar.yunhe")
	v.Until = r.s.Today().AddDays(maxSubstitution + 1)
	if err := r.s.NewSubstitution(r.ctx, lead, v); why(err) != "dates" {
		t.Fatalf("for ever: %v", err)
	}
	if err := r.s.NewSubstitution(r.ctx, lead, sub("leader.yunhe", "registrar.yunhe")); err != nil {
		t.Fatal(err)
	}
	in := r.signIn("leader.yunhe", here)
	me := must[Me](t)(r.s.Me(r.ctx, r.who(in.Staff.Token)))
	if len(me.StandIns) != 1 || me.StandIns[0].Of != r.staff("registrar.yunhe").Name {
		t.Fatalf("%+v", me.StandIns)
	}
	id := me.StandIns[0].ID
	if _, _, err := r.s.EnrolOne(r.ctx, r.who(in.Staff.Token), r.form(0), ""); registry.CodeOf(err) != registry.CodeForbidden {
		t.Fatalf("before acting in the role: %v", err)
	}
	// Another session of nobody concerned cannot take it.
	other := r.signIn("leader.qingshi", here)
	if err := r.s.ActAs(r.ctx, r.who(other.Staff.Token), id); registry.CodeOf(err) != registry.CodeNotFound {
		t.Fatal(err)
	}
	if err := r.s.ActAs(r.ctx, r.who(in.Staff.Token), id); err != nil {
		t.Fatal(err)
	}
	acting := r.who(in.Staff.Token)
	if acting.Role != registry.RoleRegistrar || acting.ID != lead.ID || acting.For == nil || acting.For.Name != r.staff("registrar.yunhe").Name {
		t.Fatalf("%+v", acting)
	}
	uid, finds, err := r.s.EnrolOne(r.ctx, acting, r.form(0), "")
	if err != nil || len(finds) > 0 {
		t.Fatal(finds, err)
	}
	_, history, err := r.s.Pupil(r.ctx, acting, uid)
	if err != nil || history[0].Actor.For != r.staff("registrar.yunhe").Name || history[0].Actor.Account != lead.ID || history[0].Actor.ForAccount != "a-registrar.yunhe" {
		t.Fatalf("history %+v %v", history, err)
	}
	// Two people stay two: what they started for the registrar they cannot confirm as the leader.
	if err := r.s.ActAs(r.ctx, acting, ""); err != nil {
		t.Fatal(err)
	}
	confirm := registry.DecideStep{CaseNo: r.pupil(uid).Lock, Party: registry.PartySchool, Decision: registry.DecisionAccept}
	if _, err := r.s.Act(r.ctx, r.who(in.Staff.Token), uid, 0, confirm); why(err) != "four_eyes" {
		t.Fatal(err)
	}
	// It ends by itself, at the end of its last day; and at once when the one away, or the one standing in, may not work any more.
	if err := r.s.ActAs(r.ctx, r.who(in.Staff.Token), id); err != nil {
		t.Fatal(err)
	}
	a := must[store.Account](t)(r.st.Account(r.ctx, "a-registrar.yunhe"))
	a.Disabled = true
	r.st.PutAccount(r.ctx, a)
	if w := r.who(in.Staff.Token); w.For != nil || w.Role != registry.RoleLeader {
		t.Fatal("stands in for a disabled account")
	}
	a.Disabled = false
	r.st.PutAccount(r.ctx, a)
	if r.who(in.Staff.Token).For == nil {
		t.Fatal("lost")
	}
	r.pass(6 * 24 * time.Hour)
	in = r.signIn("leader.yunhe", here)
	if err := r.s.ActAs(r.ctx, r.who(in.Staff.Token), id); registry.CodeOf(err) != registry.CodeNotFound {
		t.Fatalf("after its last day: %v", err)
	}
}

func TestStaffCardAtAKiosk(t *testing.T) {
	r := newRig(t)
	r.authority()
	d := r.device(demo.YunheShiyan)
	sec := r.staff("security.yunhe")
	chip := []byte{0x04, 0xa1, 0xb2, 0xc3, 0xd4}
	for _, pin := range []string{"", "1234", "123456", "111111", "12345a"} {
		if err := r.s.SetStaffCard(r.ctx, sec, "a-registrar.yunhe", "04a1b2c3d4", 1, pin); why(err) != "staff_pin" {
			t.Errorf("PIN %q: %v", pin, err)
		}
	}
	if err := r.s.SetStaffCard(r.ctx, sec, "a-registrar.yunhe", "04A1 B2C3 D4", 2, "204060"); err != nil {
		t.Fatal(err)
	}
	if err := r.s.SetStaffCard(r.ctx, sec, "a-leader.yunhe", "04a1b2c3d4", 2, "204060"); why(err) != "taken" {
		t.Fatalf("one card, two people: %v", err)
	}
	in := must[api.StaffSession](t)(r.s.DeviceSignIn(r.ctx, d.kiosk, api.SignIn{Card: chip, Password: "204060"}))
	if in.Account != "a-registrar.yunhe" {
		t.Fatal(in)
	}
	for what, s := range map[string]api.SignIn{"wrong PIN": {Card: chip, Password: "204061"}, "the password": {Card: chip, Password: demo.Password}, "nobody's card": {Card: []byte{1, 2, 3, 4}, Password: "204060"}} {
		if _, err := r.s.DeviceSignIn(r.ctx, d.kiosk, s); why(err) != "password" {
			t.Errorf("%s: %v", what, err)
		}
	}
	// A child who types rubbish for the login at this kiosk does not shut out the card.
	for range 20 {
		r.s.DeviceSignIn(r.ctx, d.kiosk, api.SignIn{Login: "registrar.yunhe", Password: "x"})
	}
	if _, err := r.s.DeviceSignIn(r.ctx, d.kiosk, api.SignIn{Login: "registrar.yunhe", Password: demo.Password}); why(err) != "wait" {
		t.Fatal(err)
	}
	must[api.StaffSession](t)(r.s.DeviceSignIn(r.ctx, d.kiosk, api.SignIn{Card: chip, Password: "204060"}))
	// Another school's kiosk is not theirs; a card taken away opens nothing.
	if _, err := r.s.DeviceSignIn(r.ctx, r.device(demo.QingshiCentre).kiosk, api.SignIn{Card: chip, Password: "204060"}); why(err) != "other_school" {
		t.Fatal(err)
	}
	if err := r.s.SetStaffCard(r.ctx, sec, "a-registrar.yunhe", "", 0, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := r.s.DeviceSignIn(r.ctx, d.kiosk, api.SignIn{Card: chip, Password: "204060"}); why(err) != "password" {
		t.Fatal(err)
	}
}

func TestOwnSessions(t *testing.T) {
	r := newRig(t)
	a := r.signIn("registrar.yunhe", From{Remote: "192.0.2.1", Agent: "Mozilla/5.0 (Windows NT 10.0; Win64) Chrome/140.0 Safari/537"})
	r.pass(time.Second)
	b := r.signIn("registrar.yunhe", From{Remote: "192.0.2.2", Agent: "Mozilla/5.0 (iPhone; CPU iPhone OS) Safari/604"})
	me := must[Me](t)(r.s.Me(r.ctx, r.who(b.Staff.Token)))
	if len(me.Sessions) != 2 || !me.Sessions[0].This || me.Sessions[0].Agent != "Safari iPhone" || me.Sessions[1].Agent != "Chrome Windows" || me.Sessions[1].Remote != "192.0.2.1" {
		t.Fatalf("%+v", me.Sessions)
	}
	other := r.signIn("leader.yunhe", From{Remote: "192.0.2.3"})
	if err := r.s.EndMySession(r.ctx, r.who(other.Staff.Token), me.Sessions[1].ID); registry.CodeOf(err) != registry.CodeNotFound {
		t.Fatalf("another's session was ended: %v", err)
	}
	if err := r.s.EndMySession(r.ctx, r.who(b.Staff.Token), ""); err != nil {
		t.Fatal(err)
	}
	if _, err := r.s.WhoIs(r.ctx, a.Staff.Token); registry.CodeOf(err) != registry.CodeNotFound {
		t.Fatal("lives")
	}
	r.who(b.Staff.Token)
	// A proof grows old, and is renewed.
	r.pass(r.s.policy.Fresh)
	w := r.who(b.Staff.Token)
	if w.Fresh {
		t.Fatal("fresh for ever")
	}
	if err := r.s.Confirm(r.ctx, w, "wrong", Proof{}, From{}); why(err) != "password" {
		t.Fatal(err)
	}
	if err := r.s.Confirm(r.ctx, w, demo.Password, Proof{}, From{}); err != nil || !r.who(b.Staff.Token).Fresh {
		t.Fatal(err)
	}
	if err := r.s.ChangePassword(r.ctx, w, demo.Password, demo.Password, From{}); why(err) != "same" {
		t.Fatal(err)
	}
	if err := r.s.ChangePassword(r.ctx, w, "not the old one", "白日依山尽黄河入海流", From{}); why(err) != "password" {
		t.Fatal(err)
	}
	// It is taken whole, however long, and ends the sessions that were opened with the one before.
	long := "床前明月光，疑是地上霜。举头望明月，低头思故乡。 Spring sleep, unaware of dawn: everywhere one hears birds singing; "
	elsewhere := r.signIn("registrar.yunhe", From{Remote: "192.0.2.4"})
	if err := r.s.ChangePassword(r.ctx, w, demo.Password, long+"黄河入海流", From{}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.s.WhoIs(r.ctx, elsewhere.Staff.Token); registry.CodeOf(err) != registry.CodeNotFound {
		t.Fatal("another session outlives the password")
	}
	for _, near := range []string{long + "黄河入海", long, long + "黄河入海流 ", demo.Password} {
		if _, err := r.s.SignIn(r.ctx, "registrar.yunhe", near, From{Remote: "192.0.2.5"}); why(err) != "password" {
			t.Fatalf("%q: %v", near, err)
		}
	}
	// It does not grow old, and no token stands in the store.
	r.pass(700 * 24 * time.Hour)
	in := must[SignedIn](t)(r.s.SignIn(r.ctx, "registrar.yunhe", long+"黄河入海流", From{Remote: "192.0.2.6"}))
	kept, sum := must[[]store.Session](t)(r.st.SessionsOf(r.ctx, "a-registrar.yunhe")), sha256.Sum256([]byte(in.Staff.Token))
	if len(in.Staff.Token) < 40 || !bytes.Equal(kept[0].TokenHash, sum[:]) || bytes.Contains(kept[0].TokenHash, []byte(in.Staff.Token)) {
		t.Fatalf("%+v", kept)
	}
	b = in
	// However busy, a session ends.
	for range 30 {
		r.pass(r.s.policy.Idle - time.Minute)
		if _, err := r.s.WhoIs(r.ctx, b.Staff.Token); err != nil {
			break
		}
	}
	if _, err := r.s.WhoIs(r.ctx, b.Staff.Token); registry.CodeOf(err) != registry.CodeNotFound {
		t.Fatal("used all day, it never ends")
	}
}
