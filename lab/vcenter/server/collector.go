// SPDX-FileCopyrightText: 2026 The Ferry authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"reflect"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// propertyCollector answers two questions as vCenter does and the simulator does not: that for a property
// which is not set (0.24.2 ends the connection), and any from a client without a session.
type propertyCollector struct{ simulator.PropertyCollector }

// fetchBody and FetchResponse have the shape of the simulator's own, which no other package may use. The
// answer's element is named after the Go type.
type fetchBody struct {
	Res    *FetchResponse `xml:"FetchResponse,omitempty"`
	Fault_ *soap.Fault    `xml:"http://schemas.xmlsoap.org/soap/envelope/ Fault,omitempty"`
}

// FetchResponse holds the value, or nothing for a property that is not set.
type FetchResponse struct {
	Returnval types.AnyType `xml:"returnval,omitempty,typeattr"`
}

// Fault is nil for a success.
func (b *fetchBody) Fault() *soap.Fault { return b.Fault_ }

// wrapCollector puts ours in the place of the simulator's; sessions make their own from its type.
func wrapCollector() {
	service := simulator.Map.Get(vim25.ServiceInstance).(*simulator.ServiceInstance)
	reference := service.Content.PropertyCollector
	collector := &propertyCollector{}
	collector.Self = reference
	simulator.Map.Put(collector)
}

// Fetch is how pyvmomi reads an attribute. Its request is of a type that only the simulator may name.
func (pc *propertyCollector) Fetch(ctx *simulator.Context, request interface{}) soap.HasFault {
	asked := reflect.ValueOf(request).Elem()
	object := asked.FieldByName("This").Interface().(types.ManagedObjectReference)
	path := asked.FieldByName("Prop").String()
	answer := pc.RetrievePropertiesEx(ctx, retrieval(object, path))
	if answer.Fault() != nil {
		return answer
	}
	content := answer.(*methods.RetrievePropertiesExBody).Res.Returnval.Objects[0]
	if len(content.MissingSet) > 0 {
		missing := content.MissingSet[0].Fault
		return &fetchBody{Fault_: simulator.Fault(missing.LocalizedMessage, missing.Fault)}
	}
	body := &fetchBody{Res: &FetchResponse{}}
	if len(content.PropSet) > 0 {
		body.Res.Returnval = content.PropSet[0].Val
	}
	return body
}

func retrieval(object types.ManagedObjectReference, path string) *types.RetrievePropertiesEx {
	return &types.RetrievePropertiesEx{SpecSet: []types.PropertyFilterSpec{{
		PropSet:   []types.PropertySpec{{Type: object.Type, PathSet: []string{path}}},
		ObjectSet: []types.ObjectSpec{{Obj: object}},
	}}}
}

// RetrievePropertiesEx fails without a session for all but what a client must read to log in.
func (pc *propertyCollector) RetrievePropertiesEx(ctx *simulator.Context, req *types.RetrievePropertiesEx) soap.HasFault {
	if ctx.Session == nil && !isPublic(req.SpecSet) {
		return &methods.RetrievePropertiesExBody{Fault_: notAuthenticated(pc.Self)}
	}
	return pc.PropertyCollector.RetrievePropertiesEx(ctx, req)
}

// RetrieveProperties is the older call for the same.
func (pc *propertyCollector) RetrieveProperties(ctx *simulator.Context, req *types.RetrieveProperties) soap.HasFault {
	if ctx.Session == nil && !isPublic(req.SpecSet) {
		return &methods.RetrievePropertiesBody{Fault_: notAuthenticated(pc.Self)}
	}
	return pc.PropertyCollector.RetrieveProperties(ctx, req)
}

func isPublic(specs []types.PropertyFilterSpec) bool {
	for _, spec := range specs {
		for _, object := range spec.ObjectSet {
			if object.Obj.Type != "ServiceInstance" && object.Obj.Type != "SessionManager" {
				return false
			}
		}
	}
	return true
}

func notAuthenticated(object types.ManagedObjectReference) *soap.Fault {
	return simulator.Fault("The session is not authenticated.", &types.NotAuthenticated{
		NoPermission: types.NoPermission{Object: object, PrivilegeId: "System.View"},
	})
}
