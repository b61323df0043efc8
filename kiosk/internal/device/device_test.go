package device_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"xueji/kiosk/internal/device"
	"xueji/server/registry"
)

func keys(t *testing.T, dir string) *device.Keys {
	t.Helper()
	k, err := device.OpenKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestKeysStayAndDiffer(t *testing.T) {
	dir := t.TempDir()
	a, b, c := keys(t, dir), keys(t, dir), keys(t, t.TempDir())
	if !bytes.Equal(a.SigningPublic(), b.SigningPublic()) || !bytes.Equal(a.SealingPublic(), b.SealingPublic()) {
		t.Error("keys change when read again")
	}
	if bytes.Equal(a.SigningPublic(), c.SigningPublic()) || bytes.Equal(a.Index("1"), c.Index("1")) || bytes.Equal(a.Index("1"), a.Index("2")) {
		t.Error("two machines, or two names, share")
	}
	st, err := os.Stat(filepath.Join(dir, device.KeyFile))
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Fatal(st.Mode(), err)
	}
	sealed, err := a.Seal("here", []byte("secret"))
	if err != nil || bytes.Contains(sealed, []byte("secret")) {
		t.Fatal("not sealed", err)
	}
	if p, err := b.Open("here", sealed); err != nil || string(p) != "secret" {
		t.Error(err)
	}
	if _, err := b.Open("there", sealed); err == nil {
		t.Error("opens under another name")
	}
	if _, err := c.Open("here", sealed); err == nil {
		t.Error("opens on another machine")
	}
}

func TestKeyFileRefused(t *testing.T) {
	dir := t.TempDir()
	keys(t, dir)
	path := filepath.Join(dir, device.KeyFile)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := device.OpenKeys(dir); err == nil || !strings.Contains(err.Error(), "0600") {
		t.Error("a readable key file is taken:", err)
	}
	os.Chmod(path, 0o600)
	for _, raw := range []string{"", "{}", `{"version":1,"sign":"AA==","seal":"AA==","rest":"AA=="}`, `{"version":1,"more":1}`} {
		if err := os.WriteFile(path, []byte(raw), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := device.OpenKeys(dir); err == nil {
			t.Errorf("taken: %s", raw)
		}
	}
}

func TestKeysCannotPrint(t *testing.T) {
	k := keys(t, t.TempDir())
	priv := k.SealingPrivate()
	raw, _ := json.Marshal(map[string]any{"k": k})
	for _, s := range []string{fmt.Sprint(k), fmt.Sprintf("%+v %#v %x %s", k, k, k, k), string(raw)} {
		if strings.Contains(s, fmt.Sprintf("%x", priv)) || !strings.Contains(s, "[device keys]") {
			t.Errorf("prints %s", s)
		}
	}
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	unlock, err := device.Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := device.Lock(dir); err == nil {
		t.Fatal("two programs in one folder")
	}
	unlock()
	if unlock, err = device.Lock(dir); err != nil {
		t.Fatal(err)
	}
	unlock()
}

func TestCacheLosesNothingItCannotRead(t *testing.T) {
	dir := t.TempDir()
	c, err := device.OpenCache(dir, keys(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	if ok, err := c.Get("x", &got); ok || err != nil {
		t.Fatal(ok, err)
	}
	if err := c.Put("x", []string{"欧阳𬀩"}); err != nil {
		t.Fatal(err)
	}
	if ok, err := c.Get("x", &got); !ok || err != nil || got[0] != "欧阳𬀩" {
		t.Fatal(ok, err, got)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "cache", "*"))
	if len(files) != 1 {
		t.Fatal(files)
	}
	raw, _ := os.ReadFile(files[0])
	if bytes.Contains(raw, []byte("欧阳")) {
		t.Error("in clear")
	}
	raw[len(raw)/2] ^= 1
	os.WriteFile(files[0], raw, 0o600)
	if ok, err := c.Get("x", &got); ok || err != nil {
		t.Error("an altered copy is taken:", ok, err)
	}
}

func TestOfflineSignIn(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	c, err := device.OpenCache(dir, keys(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	open := func() *device.Verifiers {
		v, err := device.OpenVerifiers(c)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	now := time.Date(2026, 3, 4, 8, 0, 0, 0, registry.Beijing)
	v := open()
	if _, err := v.Check(ctx, "wang", "pass", now); !errors.Is(err, device.ErrStaffUnknown) {
		t.Fatal(err)
	}
	who := device.Staff{Account: "a1", Name: "王丽", Unit: "2133010017", Role: registry.RoleRegistrar}
	if err := v.Learn("wang", "pass", who, now); err != nil {
		t.Fatal(err)
	}
	v = open() // after a restart
	if got, err := v.Check(ctx, "wang", "pass", now.Add(device.StaffTerm-time.Second)); err != nil || got != who {
		t.Fatal(got, err)
	}
	if _, err := v.Check(ctx, "wang", "pass", now.Add(device.StaffTerm)); !errors.Is(err, device.ErrStaffUnknown) {
		t.Error("good for longer than 14 days:", err)
	}
	if _, err := v.Check(ctx, "wang", "pass", now.Add(-48*time.Hour)); !errors.Is(err, device.ErrStaffUnknown) {
		t.Error("a clock set back makes it young again:", err)
	}
	for i := range device.StaffTries {
		if _, err := v.Check(ctx, "wang", "no", now); !errors.Is(err, device.ErrStaffWrong) {
			t.Fatal(i, err)
		}
		v = open() // wrong tries outlive a restart
	}
	if _, err := v.Check(ctx, "wang", "pass", now.Add(device.StaffLock-time.Second)); !errors.Is(err, device.ErrStaffLocked) {
		t.Error("not locked after five:", err)
	}
	if _, err := v.Check(ctx, "wang", "pass", now.Add(device.StaffLock)); err != nil {
		t.Error("still locked:", err)
	}
	if err := v.Learn("wang", "new", who, now); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Check(ctx, "wang", "pass", now); !errors.Is(err, device.ErrStaffWrong) {
		t.Error("the old password still works:", err)
	}
	if err := v.Forget("wang"); err != nil {
		t.Fatal(err)
	}
	if _, err := open().Check(ctx, "wang", "new", now); !errors.Is(err, device.ErrStaffUnknown) {
		t.Error(err)
	}
}
