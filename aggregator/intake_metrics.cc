#include "aggregator/intake_metrics.h"

namespace logtail::aggregator {

IntakeMetrics::IntakeMetrics(metrics::Registry& r)
    : frames(r.counter("logtail_frames_total", "Frames admitted to the queue.")),
      frameBytes(r.counter("logtail_frame_bytes_total", "Bytes of admitted frames' units.")),
      framesResent(r.counter("logtail_frames_resent_total",
                             "Frames that were known already when they came.")),
      blocks(r.counter("logtail_blocks_total", "Blocks accepted.")),
      records(r.counter("logtail_records_total", "Records accepted.")),
      recordBytes(r.counter("logtail_record_bytes_total", "Raw bytes of accepted records.")),
      gaps(r.counter("logtail_gaps_total", "Undeclared gaps before accepted blocks.")),
      repeats(r.counter("logtail_repeats_total", "Blocks that were known already: dropped.")),
      forbidden(
          r.counter("logtail_forbidden_blocks_total", "Blocks of another node's stream: dropped.")),
      poison(r.counter("logtail_poison_frames_total",
                       "Frames set aside because their content makes no sense.")),
      statsDropped(r.counter("logtail_stats_dropped_total",
                             "Agents' counts that found no room in the queue.")),
      sessions(r.counter("logtail_sessions_total", "Agent sessions begun.")),
      connections(r.gauge("logtail_connections", "Agents' connections now.")),
      connectionsRefused(
          r.counter("logtail_connections_refused_total", "Connections beyond the limit.")),
      malformed(r.counter("logtail_malformed_connections_total",
                          "Connections closed because of what they sent.")),
      tlsPending(r.gauge("logtail_tls_pending_connections",
                         "Connections that have not proved yet which node they are.")),
      tlsReloads(r.counter("logtail_tls_reloads_total", "Times new certificates were taken over.")),
      tlsReloadFailures(r.counter("logtail_tls_reload_failures_total",
                                  "Times changed certificate files could not be used.")),
      tlsCertificateEnd(r.gauge("logtail_tls_certificate_expiry_timestamp_seconds",
                                "When tls.crt expires, since the Unix epoch; 0 without TLS.")),
      durableLatency(
          r.histogram("logtail_durable_latency_seconds",
                      "From the time stamp of a frame's oldest record to its durability.",
                      metrics::exponentialBounds(0.001, 1.25, 50))) {
  for (size_t why = 0; why < kTlsFailures; ++why) {
    tlsFailures[why] = &r.counter("logtail_tls_failures_total",
                                  "Connections to the TLS port that got no session, by reason.",
                                  {{"reason", name(static_cast<TlsFailure>(why))}});
  }
  for (size_t reason = 1; reason < wire::kNackReasons; ++reason) {
    nacks[reason] = &r.counter("logtail_nacks_total", "Frames sent back, by reason.",
                               {{"reason", wire::name(static_cast<wire::NackReason>(reason))}});
  }
}

}  // namespace logtail::aggregator
