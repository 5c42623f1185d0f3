package main

import (
	"go/ast"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGoTypesAreFoundByName(t *testing.T) {
	t.Parallel()
	pkg := func(name string, types ...string) *goPackage {
		p := &goPackage{path: module + "internal/" + name, name: name, types: map[string]ast.Expr{}}
		for _, typ := range types {
			p.types[typ] = nil
		}
		return p
	}
	s := &source{packages: []*goPackage{
		pkg("identity", "APIKey"),
		pkg("customer", "Customer", "Phone", "Status", "UpdateInput", "Delivery"),
		pkg("webhook", "Endpoint", "CreateEndpointInput", "Delivery"),
	}}
	for name, want := range map[string]string{
		"ApiKey":                     "identity.APIKey",
		"Customer":                   "customer.Customer",
		"CustomerPhone":              "customer.Phone",
		"UpdateCustomerInput":        "customer.UpdateInput",
		"WebhookEndpoint":            "webhook.Endpoint",
		"CreateWebhookEndpointInput": "webhook.CreateEndpointInput",
		"WebhookDelivery":            "webhook.Delivery",
		// The word must be that of the package.
		"ScheduleStatus": "",
		"PhoneCustomers": "customer.Phone",
		"Webhook":        "",
	} {
		got := ""
		if p, typ := s.find(name); p != nil {
			got = p.name + "." + typ
		}
		require.Equal(t, want, got, name)
	}
}
