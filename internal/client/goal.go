package client

import (
	"context"

	"github.com/99designs/gqlgen/graphql"

	"caseload/internal/db"
	"caseload/internal/entity"
	"caseload/internal/fault"
	"caseload/internal/input"
	"caseload/internal/relay"
	"caseload/internal/viewer"
)

// Goal is what clients of the organization may want to reach, such as to buy a home.
type Goal struct {
	entity.Row
	Name string  `db:"name" audit:"name"`
	Icon *string `db:"icon"`
}

// Goals declares the goals, and GoalList their list.
var (
	Goals    = entity.New[Goal]("goals", "goal", "goal")
	GoalList = &relay.Spec[Goal]{
		Table:   Goals.Table,
		Default: db.By("created_at"),
		Orders:  map[string]db.Term{"NAME": {Column: "name"}, "CREATED_AT": {Column: "created_at"}},
		Search:  relay.Contains("lower(c.name)"),
	}
)

// ID returns the typed id.
func (g *Goal) ID() relay.ID { return Goals.ID(g) }

// CreateGoalInput is what createGoal needs.
type CreateGoalInput struct {
	Name string
	Icon graphql.Omittable[*string]
}

// UpdateGoalInput is what updateGoal needs; absent fields stay.
type UpdateGoalInput struct {
	ID              relay.ID
	Name, Icon      graphql.Omittable[*string]
	ExpectedVersion graphql.Omittable[*int32]
}

// DeleteGoalInput is what deleteGoal needs.
type DeleteGoalInput struct{ ID relay.ID }

// CreateGoal makes a goal.
func (s *Service) CreateGoal(ctx context.Context, v *viewer.Viewer, in CreateGoalInput) (*Goal, error) {
	return Goals.Create(ctx, s.env(v), func(g *Goal, c *fault.Check) {
		g.Name = input.Text(c.At("name"), in.Name, 255)
		input.Clear(c.At("icon"), in.Icon, 255, &g.Icon)
	})
}

// UpdateGoal changes a goal.
func (s *Service) UpdateGoal(ctx context.Context, v *viewer.Viewer, in UpdateGoalInput) (*Goal, error) {
	return Goals.Update(ctx, s.env(v), in.ID, in.ExpectedVersion.Value(), func(g *Goal, c *fault.Check) {
		input.Set(c.At("name"), in.Name, 255, &g.Name)
		input.Clear(c.At("icon"), in.Icon, 255, &g.Icon)
	})
}

// DeleteGoal deletes a goal, and returns it as it was.
func (s *Service) DeleteGoal(ctx context.Context, v *viewer.Viewer, in DeleteGoalInput) (*Goal, error) {
	return Goals.Delete(ctx, s.env(v), in.ID)
}
