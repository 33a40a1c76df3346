#include "outputs/chunk_compressor.h"

#include <zstd.h>

#include "common/base/result.h"

namespace logtail::outputs {

struct ChunkCompressor::State {
  ZSTD_CCtx* context = nullptr;
  std::string out;
};

ChunkCompressor::ChunkCompressor(int level) : state_(std::make_unique<State>()) {
  if (level == 0) return;
  state_->context = ZSTD_createCCtx();
  LOGTAIL_ASSERT(state_->context != nullptr);
  ZSTD_CCtx_setParameter(state_->context, ZSTD_c_compressionLevel, level);
  ZSTD_CCtx_setParameter(state_->context, ZSTD_c_checksumFlag, 1);
}

ChunkCompressor::~ChunkCompressor() {
  ZSTD_freeCCtx(state_->context);
}

std::string_view ChunkCompressor::compress(std::string_view bytes) {
  if (state_->context == nullptr) return bytes;
  std::string& out = state_->out;
  if (out.size() < ZSTD_compressBound(bytes.size())) out.resize(ZSTD_compressBound(bytes.size()));
  const size_t got =
      ZSTD_compress2(state_->context, out.data(), out.size(), bytes.data(), bytes.size());
  LOGTAIL_ASSERT(!ZSTD_isError(got));
  return {out.data(), got};
}

}  // namespace logtail::outputs
