// SPDX-FileCopyrightText: 2026 The Ferry authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"crypto/sha1" // What a manifest holds.
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/vmware/govmomi/vim25/types"
)

// makeBodies writes a streamOptimized image of each disk, by qemu-img, and returns what a client must know.
func (l *lease) makeBodies(disks []openDisk) (*types.HttpNfcLeaseInfo, error) {
	if err := os.MkdirAll(l.directory(), 0o700); err != nil {
		return nil, err
	}
	info := &types.HttpNfcLeaseInfo{Lease: l.Self, Entity: l.vm.Self, LeaseTimeout: int32(l.timeout.Seconds())}
	for i := range disks {
		disk := &disks[i].record
		file := leaseFile{fmt.Sprintf("disk-%d.vmdk", i), l.deviceKey(disk), disk.Key}
		if err := makeBody(disks[i].files, filepath.Join(l.directory(), file.name)); err != nil {
			return nil, err
		}
		l.files = append(l.files, file)
		info.TotalDiskCapacityInKB += disk.Capacity / 1024
	}
	return info, l.addURLs(info)
}

// deviceKey is how an export names a device: by its place, not by the key that a configuration gives it.
func (l *lease) deviceKey(disk *diskRecord) string {
	return fmt.Sprintf("/%s/%s%d:%d", l.vm.Self.Value, controllerName(disk), disk.Bus, *disk.Unit)
}

// addURLs names all bodies, and behind the disks the machine's settings, which are no disk.
func (l *lease) addURLs(info *types.HttpNfcLeaseInfo) error {
	settings := leaseFile{name: "nvram", key: fmt.Sprintf("/%s/nvram", l.vm.Self.Value)}
	if err := os.WriteFile(filepath.Join(l.directory(), settings.name), make([]byte, 8684), 0o600); err != nil {
		return err
	}
	l.files = append(l.files, settings)
	for _, file := range l.files {
		stat, err := os.Stat(filepath.Join(l.directory(), file.name))
		if err != nil {
			return err
		}
		info.DeviceUrl = append(info.DeviceUrl, types.HttpNfcLeaseDeviceUrl{
			Key:           file.key,
			ImportKey:     file.key,
			Url:           l.site.url + leasePrefix + l.name + "/" + file.name,
			SslThumbprint: l.site.thumbprint,
			Disk:          types.NewBool(file.disk != 0),
			TargetId:      file.name,
			FileSize:      stat.Size(),
		})
	}
	return nil
}

// makeBody lets qemu-img read a disk without children where it lies, and any other from a copy.
func makeBody(disk *stack, body string) error {
	if base, isAlone := disk.layers[0].(flatLayer); isAlone {
		return convert(base.Name(), body)
	}
	raw := body + ".raw"
	if err := disk.copyOut(raw); err != nil {
		return err
	}
	defer os.Remove(raw)
	return convert(raw, body)
}

func convert(raw, body string) error {
	command := exec.Command("qemu-img", "convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized", raw, body)
	if said, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("qemu-img: %s %s", err, said)
	}
	return nil
}

func (l *lease) manifestEntry(file leaseFile) (types.HttpNfcLeaseManifestEntry, error) {
	entry := types.HttpNfcLeaseManifestEntry{Key: file.key, Disk: file.disk != 0}
	body, err := os.Open(filepath.Join(l.directory(), file.name))
	if err != nil {
		return entry, err
	}
	defer body.Close()
	digest := sha1.New()
	entry.Size, err = io.Copy(digest, body)
	entry.Sha1 = fmt.Sprintf("%x", digest.Sum(nil))
	return entry, err
}

// serveLease sends a body from its first byte to its last: no ranges, and no length before it.
func (s *site) serveLease(w http.ResponseWriter, r *http.Request) {
	l, file := s.leaseFile(strings.TrimPrefix(r.URL.Path, leasePrefix))
	if l == nil || r.Method != http.MethodGet {
		http.Error(w, "no such export", http.StatusNotFound)
		return
	}
	body, err := os.Open(filepath.Join(l.directory(), file.name))
	if err != nil {
		http.Error(w, "the export has ended", http.StatusNotFound)
		return
	}
	defer body.Close()
	w.Header().Set("Content-Type", "application/x-vnd.vmware-streamVmdk")
	metered := &meter{ResponseWriter: w, site: s, machine: l.vm.Name, disk: file.disk, way: wayLease}
	// An error here is the client's end of the connection, which it knows best.
	_, _ = io.Copy(&leaseWriter{metered, l}, body)
}

func (s *site) leaseFile(path string) (*lease, leaseFile) {
	parts := strings.SplitN(path, "/", 2)
	s.mutex.Lock()
	defer s.mutex.Unlock()
	l := s.leases[parts[0]]
	if l == nil || len(parts) != 2 || !l.isReady() {
		return nil, leaseFile{}
	}
	for _, file := range l.files {
		if file.name == parts[1] {
			return l, file
		}
	}
	return nil, leaseFile{}
}

// leaseWriter cuts the connection when the lease ends, also in the middle of a body.
type leaseWriter struct {
	*meter

	lease *lease
}

func (w *leaseWriter) Write(data []byte) (int, error) {
	if w.site.switches.takeAfter(faultLease, w.machine, int64(len(data))) != nil {
		w.lease.expire()
	}
	if w.lease.hasEnded() {
		panic(http.ErrAbortHandler)
	}
	return w.meter.Write(data)
}
