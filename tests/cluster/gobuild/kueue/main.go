// Kueue's own controllers, scheduler and webhooks, with plain pods as the only kind of job. Kueue's main program also manages
// certificates, metrics, a visibility server and other kinds of jobs, none of which a test of pods needs.
package main

import (
	"flag"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/webhook"

	configapi "sigs.k8s.io/kueue/apis/config/v1beta2"
	kueuev1beta1 "sigs.k8s.io/kueue/apis/kueue/v1beta1"
	kueueapi "sigs.k8s.io/kueue/apis/kueue/v1beta2"
	qcache "sigs.k8s.io/kueue/pkg/cache/queue"
	schdcache "sigs.k8s.io/kueue/pkg/cache/scheduler"
	"sigs.k8s.io/kueue/pkg/constants"
	"sigs.k8s.io/kueue/pkg/controller/core"
	"sigs.k8s.io/kueue/pkg/controller/core/indexer"
	"sigs.k8s.io/kueue/pkg/controller/jobframework"
	_ "sigs.k8s.io/kueue/pkg/controller/jobs/pod"
	tasindexer "sigs.k8s.io/kueue/pkg/controller/tas/indexer"
	"sigs.k8s.io/kueue/pkg/scheduler"
	"sigs.k8s.io/kueue/pkg/scheduler/preemption/expectations"
	"sigs.k8s.io/kueue/pkg/webhooks"
)

const frameworkOfPods = "pod"

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	port := flag.Int("webhook-port", 0, "port of the webhooks on loopback")
	certificates := flag.String("cert-dir", "", "folder with tls.crt and tls.key for the webhooks")
	flag.Parse()
	ctrl.SetLogger(zap.New())
	ctx := ctrl.SetupSignalHandler()

	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientgoscheme.AddToScheme, kueueapi.AddToScheme, kueuev1beta1.AddToScheme, configapi.AddToScheme,
	} {
		must(add(scheme))
	}
	settings := &configapi.Configuration{}
	scheme.Default(settings)
	frameworks := []string{frameworkOfPods}

	mgr, err := ctrl.NewManager(ctrl.GetConfigOrDie(), ctrl.Options{
		Scheme:        scheme,
		Metrics:       metricsserver.Options{BindAddress: "0"},
		WebhookServer: webhook.NewServer(webhook.Options{Host: "127.0.0.1", Port: *port, CertDir: *certificates}),
	})
	must(err)

	expected := expectations.New()
	cache := schdcache.New(mgr.GetClient())
	requeuer := qcache.NewRequeuer()
	must(mgr.Add(requeuer))
	queues := qcache.NewManager(mgr.GetClient(), cache, requeuer, qcache.WithPreemptionExpectations(expected))

	must(indexer.Setup(ctx, mgr.GetFieldIndexer()))
	must(tasindexer.SetupIndexes(ctx, mgr.GetFieldIndexer()))
	must(jobframework.SetupIndexes(ctx, mgr.GetFieldIndexer(), jobframework.WithEnabledFrameworks(frameworks)))
	_, err = core.SetupControllers(mgr, queues, cache, settings, nil, expected, nil)
	must(err)
	must(jobframework.SetupControllers(ctx, mgr, ctrl.Log,
		jobframework.WithEnabledFrameworks(frameworks),
		jobframework.WithManagerName(constants.KueueName),
		jobframework.WithManagedJobsNamespaceSelector(labels.Everything()),
		jobframework.WithCache(cache),
		jobframework.WithQueues(queues),
	))
	_, err = webhooks.Setup(mgr, nil)
	must(err)
	must(mgr.Add(scheduler.New(queues, cache, mgr.GetClient(), mgr.GetEventRecorderFor(constants.AdmissionName),
		scheduler.WithPreemptionExpectations(expected))))

	go queues.CleanUpOnContext(ctx)
	go cache.CleanUpOnContext(ctx)
	must(mgr.Start(ctx))
}
