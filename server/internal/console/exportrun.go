package console

import (
	"strconv"

	"github.com/gofiber/fiber/v2"

	"xueji/server/internal/service"
	"xueji/server/internal/store"
)

const typeWorkbook = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

// exportRunView is a list under an approval that is made in the background.
type exportRunView struct {
	store.Import
	Running bool
	Percent int
	Stage   string // key of its words
	Copy    string
}

func exportRunOf(i store.Import) exportRunView {
	return exportRunView{Import: i, Running: i.State == "queued" || i.State == "running", Percent: percent(i.Done, i.Total), Stage: "exportrun.state." + i.State, Copy: i.Params["copy"]}
}

func (k *console) mountExportRuns(r fiber.Router) {
	r.Get("/exports/runs/:id", k.staff(k.exportRun))
	r.Get("/exports/runs/:id/state", k.staff(k.exportRunState))
	r.Get("/exports/runs/:id/list.xlsx", k.staff(k.exportRunFile))
	r.Post("/exports/runs/:id/cancel", k.staff(k.cancelExportRun))
}

// exportList gives a short list at once, and leads to the run of a long one.
func (k *console) exportList(c *fiber.Ctx, who service.Staff) error {
	no := c.FormValue("no")
	n, err := k.Service.ExportSize(c.UserContext(), who, no)
	if err != nil {
		return err
	}
	if n > service.ExportNow {
		i, err := k.Service.StartExport(c.UserContext(), who, no)
		if err != nil {
			return err
		}
		return c.Redirect("/exports/runs/"+i.ID, fiber.StatusSeeOther)
	}
	b, copyNo, err := k.Service.ExportList(c.UserContext(), who, no)
	if err != nil {
		return err
	}
	return sendFile(c, typeWorkbook, "attachment", "export-"+strconv.Itoa(copyNo)+".xlsx", b)
}

func (k *console) exportRun(c *fiber.Ctx, who service.Staff) error {
	i, err := k.Service.ExportRun(c.UserContext(), who, c.Params("id"))
	if err != nil {
		return err
	}
	v := exportRunOf(i)
	return k.show(c, &who, "exportrun", "exportrun.title", v, withActive("exports"), withRefresh(v.Running))
}

// exportRunState is asked for by script while a list is made.
func (k *console) exportRunState(c *fiber.Ctx, who service.Staff) error {
	i, err := k.Service.ExportRun(c.UserContext(), who, c.Params("id"))
	if err != nil {
		return err
	}
	v := exportRunOf(i)
	return c.JSON(fiber.Map{"running": v.Running, "done": v.Done, "total": v.Total, "good": v.Good, "bad": v.Bad, "percent": v.Percent, "stage": k.words.say(k.lang(c), v.Stage)})
}

func (k *console) exportRunFile(c *fiber.Ctx, who service.Staff) error {
	b, copyNo, err := k.Service.ExportFile(c.UserContext(), who, c.Params("id"))
	if err != nil {
		return err
	}
	return sendFile(c, typeWorkbook, "attachment", "export-"+strconv.Itoa(copyNo)+".xlsx", b)
}

func (k *console) cancelExportRun(c *fiber.Ctx, who service.Staff) error {
	if err := k.Service.CancelExport(c.UserContext(), who, c.Params("id")); err != nil {
		return err
	}
	return k.done(c, "/exports/runs/"+c.Params("id"), flash{Key: "exportrun.was_cancelled"})
}
