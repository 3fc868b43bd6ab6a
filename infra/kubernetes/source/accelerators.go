package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	plugin "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
)

// Accelerators that are not there, told to a kubelet as a vendor's device plugin tells it of real
// ones: their number is capacity, and a container hears by a variable which of them are its own.
type accelerators struct {
	plugin.UnimplementedDevicePluginServer
	resource, variable string
	count              int
}

// fakeAccelerators serves one node for ever, and registers again whenever its kubelet is new.
func fakeAccelerators(arguments []string) error {
	if len(arguments) != 3 {
		return fmt.Errorf("usage: fake-accelerators RESOURCE COUNT VARIABLE")
	}
	count, err := strconv.Atoi(arguments[1])
	if err != nil {
		return err
	}
	served := &accelerators{resource: arguments[0], count: count, variable: arguments[2]}
	socket := filepath.Join(plugin.DevicePluginPath, "suan.sock")
	for {
		if err := served.serve(socket); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		time.Sleep(time.Second)
	}
}

// serve returns once the kubelet has removed the socket, as it does when it starts.
func (a *accelerators) serve(socket string) error {
	os.Remove(socket)
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	plugin.RegisterDevicePluginServer(server, a)
	go server.Serve(listener)
	defer server.Stop()
	if err := a.register(filepath.Base(socket)); err != nil {
		return err
	}
	for err == nil {
		time.Sleep(time.Second)
		_, err = os.Stat(socket)
	}
	return nil
}

func (a *accelerators) register(endpoint string) error {
	connection, err := grpc.NewClient("unix://"+plugin.KubeletSocket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	request := &plugin.RegisterRequest{Version: plugin.Version, Endpoint: endpoint, ResourceName: a.resource}
	_, err = plugin.NewRegistrationClient(connection).Register(context.Background(), request)
	return err
}

func (a *accelerators) GetDevicePluginOptions(context.Context, *plugin.Empty) (*plugin.DevicePluginOptions, error) {
	return &plugin.DevicePluginOptions{}, nil
}

func (a *accelerators) ListAndWatch(_ *plugin.Empty, stream plugin.DevicePlugin_ListAndWatchServer) error {
	devices := make([]*plugin.Device, a.count)
	for number := range devices {
		devices[number] = &plugin.Device{ID: strconv.Itoa(number), Health: plugin.Healthy}
	}
	if err := stream.Send(&plugin.ListAndWatchResponse{Devices: devices}); err != nil {
		return err
	}
	<-stream.Context().Done()
	return nil
}

func (a *accelerators) Allocate(_ context.Context, request *plugin.AllocateRequest) (*plugin.AllocateResponse, error) {
	response := &plugin.AllocateResponse{}
	for _, container := range request.ContainerRequests {
		sort.Strings(container.DevicesIds)
		response.ContainerResponses = append(response.ContainerResponses, &plugin.ContainerAllocateResponse{
			Envs: map[string]string{a.variable: strings.Join(container.DevicesIds, ",")},
		})
	}
	return response, nil
}
