// SPDX-FileCopyrightText: 2026 The Ferry authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"

	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/types"
)

// firstNumber is that of the first machine: vm-101. Far from the numbers that the simulator gives away.
const firstNumber = 101

// newModel is one datacenter with one cluster of two hosts; the plain one has the simulator's own machines.
func newModel(plain bool) *simulator.Model {
	model := simulator.VPX()
	model.Host = 0
	model.ClusterHost = 2
	if !plain {
		model.Datastore, model.Machine, model.Portgroup = 0, 0, 0
	}
	return model
}

// builder makes the simulator's objects through its own API, as a client would.
type builder struct {
	site       *site
	client     *vim25.Client
	datacenter *object.Datacenter
	finder     *find.Finder
}

// addInventory makes the machines that the directory knows, then those of the file that are new.
func (s *site) addInventory(service *simulator.Service, file string) error {
	records, err := s.allRecords(file)
	if err != nil {
		return err
	}
	b, err := newBuilder(s, service)
	if err != nil {
		return err
	}
	for _, record := range records {
		if err := b.addMachine(record); err != nil {
			return fmt.Errorf("%s: %w", record.Name, err)
		}
	}
	wrapCollector()
	return nil
}

func (s *site) allRecords(file string) ([]*machineRecord, error) {
	var wanted inventorySpec
	if file != "" {
		if err := readJSON(file, &wanted); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	known, err := s.loadRecords()
	if err != nil {
		return nil, err
	}
	return s.withNew(known, wanted.Machines)
}

func (s *site) loadRecords() ([]*machineRecord, error) {
	paths, err := filepath.Glob(s.recordPath("*"))
	if err != nil {
		return nil, err
	}
	var found []*machineRecord
	for _, path := range paths {
		record := &machineRecord{}
		if err := readJSON(path, record); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		found = append(found, record)
	}
	sort.Slice(found, func(i, j int) bool { return found[i].Number < found[j].Number })
	return found, nil
}

// withNew returns the known machines and, with disks made, those that are wanted and not known.
func (s *site) withNew(known []*machineRecord, wanted []machineSpec) ([]*machineRecord, error) {
	names, next := map[string]bool{}, int32(firstNumber)
	for _, record := range known {
		names[record.Name] = true
		next = record.Number + 1
	}
	for _, each := range wanted {
		if names[each.Name] {
			continue
		}
		record, err := s.newRecord(each, next)
		if err != nil {
			return nil, err
		}
		known = append(known, record)
		next++
	}
	return known, nil
}

func (s *site) newRecord(wanted machineSpec, number int32) (*machineRecord, error) {
	if err := wanted.check(); err != nil {
		return nil, err
	}
	wanted.fill()
	record := &machineRecord{Number: number, Name: wanted.Name, Description: wanted}
	record.PowerState = string(types.VirtualMachinePowerStatePoweredOn)
	if wanted.PoweredOff {
		record.PowerState = string(types.VirtualMachinePowerStatePoweredOff)
	}
	for _, disk := range wanted.Disks {
		if _, err := s.addDisk(record, disk); err != nil {
			return nil, fmt.Errorf("%s: %w", wanted.Name, err)
		}
	}
	return record, writeJSON(s.recordPath(record.Name), record)
}

// addDisk makes the disk's first file and puts the disk into the record, under the first key that the
// machine never had: a client that remembers a key must not meet another disk.
func (s *site) addDisk(record *machineRecord, wanted diskSpec) (*diskRecord, error) {
	wanted.fill(record.Disks)
	record.LastDisk++
	index := record.LastDisk - 1
	base := record.Name
	if index > 0 {
		base = fmt.Sprintf("%s_%d", record.Name, index)
	}
	chain := &chainRecord{Key: firstDiskKey + index, Base: base, Parents: map[string]string{}}
	if err := s.makeBase(record.Name, chain, wanted); err != nil {
		return nil, err
	}
	record.Chains = append(record.Chains, chain)
	record.Disks = append(record.Disks, diskRecord{
		diskSpec: wanted, Key: chain.Key, UUID: newDiskUUID(), Capacity: chain.Capacity, Link: base,
	})
	return &record.Disks[len(record.Disks)-1], nil
}

// makeBase copies the image, sparse where it is, and rounds its size up to whole sectors.
func (s *site) makeBase(machine string, chain *chainRecord, wanted diskSpec) error {
	files := s.files(machine)
	if err := os.MkdirAll(files.directory, 0o700); err != nil {
		return err
	}
	extent := files.extent(chain, chain.Base)
	image := or(wanted.Image, os.DevNull)
	if said, err := exec.Command("cp", "--sparse=always", "--reflink=auto", image, extent).CombinedOutput(); err != nil {
		return fmt.Errorf("copying %s: %s", image, said)
	}
	info, err := os.Stat(extent)
	if err != nil {
		return err
	}
	chain.Capacity = wanted.Size
	if info.Size() > chain.Capacity {
		chain.Capacity = info.Size()
	}
	chain.Capacity = (chain.Capacity + 511) / 512 * 512
	if err := os.Truncate(extent, chain.Capacity); err != nil {
		return err
	}
	return files.describe(chain, chain.Base)
}

func newBuilder(s *site, service *simulator.Service) (*builder, error) {
	ctx := context.Background()
	client, err := vim25.NewClient(ctx, service)
	if err != nil {
		return nil, err
	}
	finder := find.NewFinder(client, false)
	datacenter, err := finder.DefaultDatacenter(ctx)
	if err != nil {
		return nil, err
	}
	finder.SetDatacenter(datacenter)
	b := &builder{site: s, client: client, datacenter: datacenter, finder: finder}
	return b, b.addDatastore(ctx)
}

// addDatastore puts our directory on every host.
func (b *builder) addDatastore(ctx context.Context) error {
	hosts, err := b.finder.HostSystemList(ctx, "*/*")
	if err != nil {
		return err
	}
	for _, host := range hosts {
		system, err := host.ConfigManager().DatastoreSystem(ctx)
		if err != nil {
			return err
		}
		if _, err := system.CreateLocalDatastore(ctx, datastoreName, b.site.datastoreDirectory()); err != nil {
			return err
		}
	}
	return nil
}

// addMachine makes a machine of the simulator and puts ours in its place.
func (b *builder) addMachine(record *machineRecord) error {
	ctx := context.Background()
	if err := b.addNetworks(ctx, record.Description.NICs); err != nil {
		return err
	}
	reference, err := b.create(ctx, record)
	if err != nil {
		return err
	}
	original := simulator.Map.Get(reference).(*simulator.VirtualMachine)
	vm := newVirtualMachine(b.site, record, original)
	replaceReference(vm, reference)
	vm.publish()
	b.site.machines[record.Name] = vm
	return nil
}

func (b *builder) addNetworks(ctx context.Context, nics []nicSpec) error {
	host, err := b.finder.HostSystem(ctx, "*/DC0_C0_H0")
	if err != nil {
		return err
	}
	system, err := host.ConfigManager().NetworkSystem(ctx)
	if err != nil {
		return err
	}
	for _, nic := range nics {
		if _, err := b.finder.Network(ctx, nic.Network); err == nil {
			continue
		}
		group := types.HostPortGroupSpec{Name: nic.Network, VswitchName: "vSwitch0"}
		if err := system.AddPortGroup(ctx, group); err != nil {
			return fmt.Errorf("network %s: %w", nic.Network, err)
		}
	}
	return nil
}

func (b *builder) create(ctx context.Context, record *machineRecord) (types.ManagedObjectReference, error) {
	none := types.ManagedObjectReference{}
	folders, err := b.datacenter.Folders(ctx)
	if err != nil {
		return none, err
	}
	pool, err := b.finder.DefaultResourcePool(ctx)
	if err != nil {
		return none, err
	}
	host, err := b.finder.HostSystem(ctx, fmt.Sprintf("*/DC0_C0_H%d", record.Description.Host))
	if err != nil {
		return none, err
	}
	if err := b.removeSimulatorFiles(record.Name); err != nil {
		return none, err
	}
	task, err := folders.VmFolder.CreateVM(ctx, creationSpec(record), pool, host)
	if err != nil {
		return none, err
	}
	info, err := task.WaitForResult(ctx, nil)
	if err != nil {
		return none, err
	}
	return info.Result.(types.ManagedObjectReference), nil
}

// removeSimulatorFiles takes away what the simulator wrote at an earlier start; it makes no machine over it.
func (b *builder) removeSimulatorFiles(name string) error {
	directory := b.site.files(name).directory
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return err
	}
	return removeAll(filepath.Join(directory, name+".vmx"), filepath.Join(directory, name+".nvram"),
		filepath.Join(directory, "vmware.log"))
}

// replaceReference gives the machine its own reference, which a restart does not change, in all objects that
// name it.
func replaceReference(vm *virtualMachine, old types.ManagedObjectReference) {
	simulator.Map.Remove(old)
	vm.Self = machineReference(vm.record)
	vm.Summary.Vm = &vm.Self
	lists := []*[]types.ManagedObjectReference{
		&simulator.Map.Get(*vm.Parent).(*simulator.Folder).ChildEntity,
		&simulator.Map.Get(*vm.Runtime.Host).(*simulator.HostSystem).Vm,
		&simulator.Map.Get(*vm.ResourcePool).(*simulator.ResourcePool).Vm,
		&simulator.Map.Get(vm.Datastore[0]).(*simulator.Datastore).Vm,
	}
	for _, list := range lists {
		for i := range *list {
			if (*list)[i] == old {
				(*list)[i] = vm.Self
			}
		}
	}
	simulator.Map.Put(vm)
}
