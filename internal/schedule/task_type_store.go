package schedule

import (
	"context"

	"caseload/internal/calling"
	"caseload/internal/db"
	"caseload/internal/entity"
	"caseload/internal/fault"
	"caseload/internal/input"
	"caseload/internal/relay"
	"caseload/internal/viewer"
)

// organizationID is the viewer's organization as the target of an audit entry.
func organizationID(v *viewer.Viewer) relay.ID {
	return relay.ID{Prefix: "org", UUID: v.OrganizationID}
}

// env is where the viewer changes task types.
func (s *Service) env(v *viewer.Viewer) entity.Env {
	return entity.Env{Pool: s.pool, Now: s.now(), Viewer: v}
}

// CreateTaskType makes a task type. Rules that were not given get the defaults. Wrong input comes back
// as fault.UserErrors.
func (s *Service) CreateTaskType(ctx context.Context, v *viewer.Viewer, in CreateTaskTypeInput) (*TaskType, error) {
	return TaskTypes.Create(ctx, s.env(v), func(t *TaskType, c *fault.Check) {
		if t.Name = input.Text(c.At("name"), in.Name, maxTaskTypeName); t.Name != "" && !taskTypeName.MatchString(t.Name) {
			c.At("name").Add(fault.Invalid, "A name is 1 to 64 characters: a lower-case letter, then lower-case letters, digits, _ or -.")
		}
		input.ClearNote(c.At("description"), in.Description, 1000, &t.Description)
		p := calling.Default()
		p.Purpose = in.Purpose
		in.apply(&p, c)
		validatePolicy(p, c)
		t.setPolicy(p)
	})
}

// UpdateTaskType changes a task type. A version that moved on is a STALE_VERSION user error. An input that
// changes nothing writes nothing.
func (s *Service) UpdateTaskType(ctx context.Context, v *viewer.Viewer, in UpdateTaskTypeInput) (*TaskType, error) {
	return TaskTypes.Update(ctx, s.env(v), in.ID, in.ExpectedVersion.Value(), func(t *TaskType, c *fault.Check) {
		input.ClearNote(c.At("description"), in.Description, 1000, &t.Description)
		p := t.Policy()
		in.apply(&p, c)
		validatePolicy(p, c)
		t.setPolicy(p)
	})
}

// ArchiveTaskType ends a task type: it can no longer be synced and its pending tasks are not given out. Safe
// to repeat.
func (s *Service) ArchiveTaskType(ctx context.Context, v *viewer.Viewer, in ArchiveTaskTypeInput) (*TaskType, error) {
	return TaskTypes.Archive(ctx, s.env(v), in.ID)
}

// validatePolicy checks a cadence and names the fields as the input does.
func validatePolicy(p calling.Policy, c *fault.Check) {
	own := fault.NewCheck()
	p.Validate(own)
	for _, e := range own.Errors() {
		path := e.Path
		switch path[0] {
		case "window":
			path = []string{"windowFrom"}
		case "regF":
			path = []string{"regulationF"}
		}
		c.At(path...).Add(e.Code, "%s", path[0]+" "+e.Message+".")
	}
}

// FindTaskType returns the task type of a name, or a NOT_FOUND fault.
func FindTaskType(ctx context.Context, q db.Querier, sc db.Scope, name string) (*TaskType, error) {
	w, err := TaskTypeNamed(name)
	if err != nil {
		return nil, err
	}
	return TaskTypes.One(ctx, q, sc, w)
}

// TaskTypeNamed is the condition of [FindTaskType].
func TaskTypeNamed(name string) (db.Where, error) {
	return db.Where{}.And("c.name = ?", input.Form(name)), nil
}
