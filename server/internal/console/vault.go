package console

import (
	"slices"

	"github.com/gofiber/fiber/v2"

	"xueji/server/internal/service"
	"xueji/server/internal/store"
	"xueji/server/registry"
	"xueji/server/vault"
)

func (m *may) vaulting(who service.Staff) {
	m.Vault = who.Role == registry.RoleOperator || who.Role == registry.RoleSecurity && !who.Unit.IsSchool()
}

func (k *console) mountVault(r fiber.Router) {
	r.Get("/vault", k.staff(k.vaultPage))
	r.Get("/vault/state", k.staff(k.vaultState))
	r.Post("/vault/pause", k.staff(k.pauseVault))
	r.Post("/vault/resume", k.staff(k.resumeVault))
}

// vaultView is the work on data at rest, on screen.
type vaultView struct {
	service.VaultState
	Stage       string // key of its words: idle, counting, running, paused, ending
	Running     bool
	Done, All   int
	Percent     int
	Keys        []vaultKey
	Columns     []store.VaultColumn // those that still hold values under older keys
	Clear       int
	Unindexed   int
	Destination uint32 // the data key that all is sealed under in the end
}

type vaultKey struct {
	vault.Key
	Left int // values, or pupils of the blind index, that still stand under it
}

func vaultViewOf(s service.VaultState) vaultView {
	v := vaultView{VaultState: s, All: s.Total(), Clear: s.Clear, Unindexed: s.Unindexed}
	v.Done = v.All - s.Left()
	v.Percent = percent(v.Done, v.All)
	left := map[uint32]int{}
	for _, c := range s.VaultStatus.Columns {
		for n, m := range c.Under {
			left[n] += m
		}
		if c.Left() > 0 {
			v.Columns = append(v.Columns, c)
		}
	}
	for _, key := range s.VaultStatus.Keys {
		x := vaultKey{key, left[key.N]}
		if key.Purpose == vault.Index && key.State == vault.Retired {
			x.Left = s.Unindexed
		}
		if key.Purpose == vault.Data && key.State == vault.Active {
			v.Destination = key.N
		}
		v.Keys = append(v.Keys, x)
	}
	slices.Reverse(v.Keys)
	switch {
	case s.Paused != nil:
		v.Stage = "paused"
	case !s.Waits():
		v.Stage = "idle"
	case s.Uncounted > 0:
		v.Stage = "counting"
	case s.Left() > 0:
		v.Stage = "running"
	default:
		v.Stage = "ending"
	}
	v.Running = v.Stage == "counting" || v.Stage == "running"
	return v
}

func (k *console) vaultPage(c *fiber.Ctx, who service.Staff) error {
	s, err := k.Service.VaultState(c.UserContext(), who)
	if err != nil {
		return err
	}
	v := vaultViewOf(s)
	return k.show(c, &who, "vault", "vault.title", v, withRefresh(v.Running))
}

// vaultState is asked for by script while the work goes on.
func (k *console) vaultState(c *fiber.Ctx, who service.Staff) error {
	s, err := k.Service.VaultState(c.UserContext(), who)
	if err != nil {
		return err
	}
	v := vaultViewOf(s)
	return c.JSON(fiber.Map{"running": v.Running, "done": v.Done, "total": v.All, "good": v.Done, "bad": 0, "percent": v.Percent, "stage": k.words.say(k.lang(c), "vault.stage."+v.Stage)})
}

func (k *console) pauseVault(c *fiber.Ctx, who service.Staff) error {
	if err := k.Service.PauseVault(c.UserContext(), who); err != nil {
		return err
	}
	return k.done(c, "/vault", flash{Key: "vault.was_paused"})
}

func (k *console) resumeVault(c *fiber.Ctx, who service.Staff) error {
	if err := k.Service.ResumeVault(c.UserContext(), who); err != nil {
		return err
	}
	return k.done(c, "/vault", flash{Key: "vault.was_resumed"})
}
