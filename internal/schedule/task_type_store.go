package schedule

import (
	"context"

	"github.com/google/uuid"

	"caseload/internal/audit"
	"caseload/internal/calling"
	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/relay"
	"caseload/internal/viewer"
)

// organizationID is the viewer's organization as the target of an audit entry.
func organizationID(v *viewer.Viewer) relay.ID {
	return relay.ID{Prefix: "org", UUID: v.OrganizationID}
}

// CreateTaskType makes a task type. Rules that were not given get the defaults. Wrong input comes back
// as fault.UserErrors.
func (s *Service) CreateTaskType(ctx context.Context, v *viewer.Viewer, in CreateTaskTypeInput) (*TaskType, error) {
	c := fault.NewCheck("input")
	if !taskTypeName.MatchString(in.Name) {
		c.At("name").Add(fault.Invalid, "A name is 1 to 64 characters: a lower-case letter, then lower-case letters, digits, _ or -.")
	}
	t := &TaskType{Row: db.Row{OrganizationID: v.OrganizationID, UUID: db.NewID()}, Name: in.Name, Version: 1, CreatedBy: v.ActorText(), UpdatedBy: v.ActorText()}
	optionalText(c, "description", in.Description, 1000, &t.Description)
	p := calling.Default()
	p.Purpose = in.Purpose
	in.apply(&p, c)
	validatePolicy(p, c)
	if err := c.Err(); err != nil {
		return nil, err
	}
	t.put(p)
	err := s.pool.InTx(ctx, s.now(), func(tx *db.Tx) error {
		tx.Keep(&t)
		t.CreatedAt, t.UpdatedAt = tx.Now, tx.Now
		if err := TaskTypes.Insert(ctx, tx, v.Scope(), t); err != nil {
			return db.Refused(err, "input")
		}
		return audit.Write(ctx, tx, v, audit.Change{Action: "task_type.created", Target: t.ID(), Fields: map[string]any{"name": t.Name, "purpose": t.Purpose}})
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

// UpdateTaskType changes a task type. A version that moved on is a STALE_VERSION user error. An input that
// changes nothing writes nothing.
func (s *Service) UpdateTaskType(ctx context.Context, v *viewer.Viewer, id relay.ID, in UpdateTaskTypeInput) (*TaskType, error) {
	u, err := id.As(TaskTypes.Prefix())
	if err != nil {
		return nil, err
	}
	var t *TaskType
	err = s.pool.InTx(ctx, s.now(), func(tx *db.Tx) error {
		tx.Keep(&t)
		if t, err = TaskTypes.Lock(ctx, tx, v.Scope(), u); err != nil {
			return notFound(err, "task type", "id")
		}
		c := fault.NewCheck("input")
		if want := in.ExpectedVersion.Value(); want != nil && *want != t.Version {
			c.At("expectedVersion").Add(fault.StaleVersion, "The task type was changed since it was read; read it again.")
		}
		before := *t
		optionalText(c, "description", in.Description, 1000, &t.Description)
		p := t.Policy()
		in.apply(&p, c)
		validatePolicy(p, c)
		if err := c.Err(); err != nil {
			return err
		}
		t.put(p)
		changed := TaskTypes.Differences(&before, t)
		if len(changed) == 0 {
			return nil
		}
		t.UpdatedAt, t.UpdatedBy = tx.Now, v.ActorText()
		if err := TaskTypes.Update(ctx, tx, v.Scope(), t); err != nil {
			return db.Refused(err, "input")
		}
		return audit.Write(ctx, tx, v, audit.Change{Action: "task_type.updated", Target: t.ID(), Fields: map[string]any{"fields": changed}})
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

// ArchiveTaskType ends a task type: it can no longer be synced and its pending tasks are not given out. Safe
// to repeat.
func (s *Service) ArchiveTaskType(ctx context.Context, v *viewer.Viewer, in ArchiveTaskTypeInput) (*TaskType, error) {
	u, err := in.ID.As(TaskTypes.Prefix())
	if err != nil {
		return nil, err
	}
	var t *TaskType
	err = s.pool.InTx(ctx, s.now(), func(tx *db.Tx) error {
		tx.Keep(&t)
		if t, err = TaskTypes.Lock(ctx, tx, v.Scope(), u); err != nil {
			return notFound(err, "task type", "input", "id")
		}
		if t.ArchivedAt != nil {
			return nil
		}
		t.ArchivedAt, t.UpdatedAt, t.UpdatedBy = &tx.Now, tx.Now, v.ActorText()
		if err := TaskTypes.Update(ctx, tx, v.Scope(), t); err != nil {
			return err
		}
		return audit.Write(ctx, tx, v, audit.Change{Action: "task_type.archived", Target: t.ID(), Fields: map[string]any{"name": t.Name}})
	})
	if err != nil {
		return nil, err
	}
	return t, nil
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

// FindTaskType returns one task type by exactly one of two ways. Neither or both is BAD_USER_INPUT, none found
// is NOT_FOUND.
func FindTaskType(ctx context.Context, q db.Querier, sc db.Scope, id *uuid.UUID, name *string) (*TaskType, error) {
	w, err := WhichTaskType(id, name)
	if err != nil {
		return nil, err
	}
	return TaskTypes.One(ctx, q, sc, w)
}

// WhichTaskType is the condition of [FindTaskType]. The error is BAD_USER_INPUT.
func WhichTaskType(id *uuid.UUID, name *string) (db.Where, error) {
	if (id == nil) == (name == nil) {
		return db.Where{}, fault.New(fault.BadUserInput, "Give exactly one of id and name.")
	}
	if id != nil {
		return db.Where{}.And("c.id = ?", *id), nil
	}
	return db.Where{}.And("c.name = ?", *name), nil
}
