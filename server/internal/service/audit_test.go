package service

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"xueji/server/internal/audit"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// lookOf is the newest entry of a kind about a subject.
func (r *rig) lookOf(t *testing.T, kind audit.Kind, subject string) audit.Entry {
	t.Helper()
	es, err := r.st.Audit(r.ctx, store.AuditQuery{Subject: subject, Kinds: []audit.Kind{kind}, Limit: 1})
	if err != nil || len(es) == 0 {
		t.Fatalf("no %s of %s: %v", kind, subject, err)
	}
	return es[0]
}

// A look names who, where and why: the case of one's own unit; the reason that was asked where no case tells it, remembered for the session; and no child's data.
func TestLooksAreRecorded(t *testing.T) {
	r := newRig(t)
	r.authority()
	reg := r.staff("registrar.yunhe")
	reg.Token = "a session"
	open, _, err := r.s.EnrolOne(r.ctx, reg, r.form(1), "")
	if err != nil {
		t.Fatal(err)
	}
	ctx := audit.WithPlace(r.ctx, audit.Place{Net: audit.Network("192.0.2.77")})
	must[registry.Pupil](t)(first2(r.s.Pupil(ctx, reg, open)))
	if e := r.lookOf(t, audit.Look, string(open)); e.Account != reg.ID || e.Unit != reg.Unit || e.Role != reg.Role || e.Net != "192.0.2.0/24" || e.Why != audit.WhyCase || e.Case != r.pupil(open).Lock {
		t.Fatalf("with a case: %+v", e)
	}

	uid := r.enrolled(0)
	r.pass(recentCase * 3)
	items := []registry.ArchiveItem{{No: 1, Group: 1, Title: "表", Pages: 1}}
	must[registry.Pupil](t)(r.s.Act(r.ctx, reg, uid, 0, registry.BuildArchive{Items: items})) // the task of building the archive would be a reason
	if ask := must[bool](t)(r.s.Why(r.ctx, reg, uid)); !ask {
		t.Fatal("no case, no task, and no reason is asked")
	}
	wantCode(t, r.s.GiveReason(r.ctx, reg, uid, audit.WhyOther, ""), registry.CodeInvalid)
	wantCode(t, r.s.GiveReason(r.ctx, reg, uid, "because", ""), registry.CodeInvalid)
	if err := r.s.GiveReason(r.ctx, reg, uid, "", "外婆来问王子涵的学籍"); err != nil {
		t.Fatal(err)
	}
	if ask := must[bool](t)(r.s.Why(r.ctx, reg, uid)); ask {
		t.Fatal("asked twice in one session")
	}
	other := reg
	other.Token = "another session"
	if ask := must[bool](t)(r.s.Why(r.ctx, other, uid)); !ask {
		t.Fatal("remembered for another session")
	}
	must[registry.Pupil](t)(first2(r.s.Pupil(r.ctx, reg, uid)))
	e := r.lookOf(t, audit.Look, string(uid))
	if e.Why != audit.WhyOther || r.s.keys.openWords(e.Words) != "外婆来问王子涵的学籍" || e.Case != "" {
		t.Fatalf("with a reason: %+v", e)
	}
	if err := r.s.Unmask(r.ctx, reg, uid); err != nil {
		t.Fatal(err)
	}
	if e := r.lookOf(t, audit.Unmask, string(uid)); e.Why != audit.WhyOther {
		t.Fatalf("unmask: %+v", e)
	}

	name := r.pupil(uid).Form[registry.FName]
	if _, _, err := r.s.Search(r.ctx, reg, store.Query{Text: name}); err != nil {
		t.Fatal(err)
	}
	if e := r.lookOf(t, audit.Search, "act/"+reg.ID); e.N == 0 || len(e.Query) == 0 || e.What != "text" {
		t.Fatalf("search: %+v", e)
	}
	es, err := r.st.Audit(r.ctx, store.AuditQuery{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range es {
		b, _ := e.Encode()
		for _, private := range []string{name, r.pupil(uid).Form[registry.FIDNumber], reg.Name, "外婆"} {
			if bytes.Contains(b, []byte(private)) {
				t.Fatalf("the log says %q: %s", private, b)
			}
		}
	}
}

// What cannot be recorded is not shown.
func TestNoRecordNoAnswer(t *testing.T) {
	r := newRig(t)
	uid := r.enrolled(0)
	reg := r.staff("registrar.yunhe")
	r.s.st = deaf{r.s.st}
	p, _, err := r.s.Pupil(r.ctx, reg, uid)
	if err == nil || p.UID != "" {
		t.Fatalf("a record was shown and nobody knows: %v", err)
	}
	if rows, _, err := r.s.Search(r.ctx, reg, store.Query{}); err == nil || rows != nil {
		t.Fatal("a list was shown and nobody knows")
	}
}

// deaf is a store that cannot write the log.
type deaf struct{ store.Store }

func (deaf) RecordAudit(context.Context, ...audit.Entry) error {
	return &registry.Error{Code: registry.CodeUnavailable, Err: errors.New("disk full")}
}

func first2[A, B any](a A, _ B, err error) (A, error) { return a, err }

func TestWords(t *testing.T) {
	r := newRig(t)
	b, err := r.s.keys.sealWords("话")
	if err != nil || strings.Contains(string(b), "话") || r.s.keys.openWords(b) != "话" {
		t.Fatal(err)
	}
	b[len(b)-1] ^= 1
	if r.s.keys.openWords(b) != "?" {
		t.Fatal("altered words opened")
	}
}
