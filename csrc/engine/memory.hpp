#pragma once

namespace mdbridge {

/// Let this process keep the memory of one evaluation for the next. By itself glibc gives large
/// blocks back to the system as soon as they are freed and gets new ones, page by page, in every
/// step, which takes up to a quarter of the time. Does nothing if the user has chosen (environment
/// variables MALLOC_..._ or GLIBC_TUNABLES), or with another C library.
void keep_freed_memory();

/// What is kept for the next evaluation goes back to the system, as when a model is not used any
/// more. Does nothing where keep_freed_memory() did nothing.
void give_back_freed_memory();

}  // namespace mdbridge
