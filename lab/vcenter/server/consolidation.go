// SPDX-FileCopyrightText: 2026 The Ferry authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import "os"

// Consolidation brings the chains of a machine back to what its snapshots need:
//
//	snapshots:   S1        (none)     current          S1 was removed: its file is needed by nobody
//	chain:       X  <---  X-000001 <- X-000002         but its child, so the child is merged into it.
//
//	link that nothing needs and nothing stands on       -> its files are removed
//	link that nothing needs with exactly one child      -> the child is merged into it, and takes its name
//
// The machine is saved before and after each merge, and a merge may be repeated, so a kill at any moment
// leaves a machine that needs consolidation.

// redundantLink is a link to merge its only child into, or to remove when it has no child.
type redundantLink struct {
	chain *chainRecord
	link  string
	child string
}

// redundant returns the next step of a consolidation, or false when there is none.
func (m *machineRecord) redundant() (redundantLink, bool) {
	for _, chain := range m.Chains {
		needed := m.neededLinks(chain.Key)
		for _, link := range chain.links() {
			children := chain.children(link)
			if needed[link] || len(children) > 1 {
				continue
			}
			if len(children) == 1 {
				return redundantLink{chain, link, children[0]}, true
			}
			return redundantLink{chain, link, ""}, true
		}
	}
	return redundantLink{}, false
}

// neededLinks are those that the machine or a snapshot names.
func (m *machineRecord) neededLinks(key int32) map[string]bool {
	needed := map[string]bool{}
	m.eachDisk(key, func(disk *diskRecord) { needed[disk.Link] = true })
	return needed
}

// eachDisk visits the disk in the machine's configuration and in that of each snapshot.
func (m *machineRecord) eachDisk(key int32, visit func(*diskRecord)) {
	if disk := findDisk(m.Disks, key); disk != nil {
		visit(disk)
	}
	for i := range m.Snapshots {
		if disk := findDisk(m.Snapshots[i].Disks, key); disk != nil {
			visit(disk)
		}
	}
}

// consolidate carries out all steps; `save` makes the record durable.
func (m *machineRecord) consolidate(files chainFiles, save func() error) error {
	for {
		step, found := m.redundant()
		if !found {
			return nil
		}
		if err := m.carryOut(step, files, save); err != nil {
			return err
		}
	}
}

func (m *machineRecord) carryOut(step redundantLink, files chainFiles, save func() error) error {
	if step.child == "" {
		return m.dropLink(step, files, save)
	}
	if err := files.merge(step.chain, step.child); err != nil {
		return err
	}
	if err := moveTracking(files, step.child, step.link); err != nil {
		return err
	}
	m.eachDisk(step.chain.Key, func(disk *diskRecord) {
		if disk.Link == step.child {
			disk.Link = step.link
		}
	})
	step.chain.forget(step.child)
	if err := save(); err != nil {
		return err
	}
	return m.removeMerged(step, files)
}

// removeMerged removes the child's files. What stood on the child now names its parent.
func (m *machineRecord) removeMerged(step redundantLink, files chainFiles) error {
	if err := files.remove(step.chain, step.child); err != nil {
		return err
	}
	for _, child := range step.chain.children(step.link) {
		if err := files.describe(step.chain, child); err != nil {
			return err
		}
	}
	return nil
}

// dropLink removes a link on which nothing stands; with the base the whole chain goes.
func (m *machineRecord) dropLink(step redundantLink, files chainFiles, save func() error) error {
	if step.link == step.chain.Base {
		m.dropChain(step.chain.Key)
	} else {
		step.chain.forget(step.link)
	}
	if err := save(); err != nil {
		return err
	}
	return files.remove(step.chain, step.link)
}

func (m *machineRecord) dropChain(key int32) {
	kept := []*chainRecord{}
	for _, chain := range m.Chains {
		if chain.Key != key {
			kept = append(kept, chain)
		}
	}
	m.Chains = kept
}

// moveTracking gives the merged link the change tracking of the child whose content it now has. A copy: the
// child's own goes with its other files, after the record is saved.
func moveTracking(files chainFiles, child, link string) error {
	content, err := os.ReadFile(files.tracking(child))
	if os.IsNotExist(err) {
		return removeAll(files.tracking(link))
	}
	if err != nil {
		return err
	}
	return replaceFile(files.tracking(link), content)
}
