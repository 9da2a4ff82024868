// SPDX-FileCopyrightText: 2026 The Ferry authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
)

// calledMethod finds the name of the first element in a SOAP body.
var calledMethod = regexp.MustCompile(`<(?:\w+:)?Body[^>]*>\s*<(?:\w+:)?(\w+)`)

// serveCall lets the simulator answer a call, unless the lab wants the wire to fail.
func (s *site) serveCall(w http.ResponseWriter, r *http.Request, inner http.Handler) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // The client has gone.
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	method := methodOf(body)
	if s.switches.takeCall(faultUnavailable, method) != nil {
		http.Error(w, "503 Service Unavailable", http.StatusServiceUnavailable)
		return
	}
	if s.switches.takeCall(faultLostAnswer, method) != nil {
		inner.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	}
	inner.ServeHTTP(w, r)
}

func methodOf(body []byte) string {
	found := calledMethod.FindSubmatch(body)
	if found == nil {
		return ""
	}
	return string(found[1])
}
