// SPDX-FileCopyrightText: 2026 The Ferry authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"net/http"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// sessionCookie is the name under which vCenter's cookie travels.
const sessionCookie = "vmware_soap_session"

// labContext is that of a user who has no session of his own, which the simulator's calls take.
func labContext() *simulator.Context {
	return &simulator.Context{
		Context: context.Background(),
		Session: &simulator.Session{Registry: simulator.NewRegistry()},
		Map:     simulator.Map,
	}
}

// sessionKeys are the cookies that are good now.
func sessionKeys() []string {
	ctx := labContext()
	manager := ctx.Session.Get(simulator.Map.SessionManager().Self).(*simulator.SessionManager)
	keys := []string{}
	for _, session := range manager.SessionList {
		keys = append(keys, session.Key)
	}
	return keys
}

// endSessions ends them all, as vCenter does with those that were idle for too long. Nobody is told.
func endSessions() {
	request := &types.TerminateSession{SessionId: sessionKeys()}
	simulator.Map.SessionManager().TerminateSession(labContext(), request)
}

// isAuthenticated tells whether the request carries the cookie of a session, in quotes or without.
func isAuthenticated(r *http.Request) bool {
	for _, cookie := range r.Cookies() {
		if cookie.Name != sessionCookie {
			continue
		}
		for _, key := range sessionKeys() {
			if strings.Trim(cookie.Value, `"`) == key {
				return true
			}
		}
	}
	return false
}
