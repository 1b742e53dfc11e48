#include <ATen/Parallel.h>
#include <dlfcn.h>

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <string>
#include <thread>

#include "mdbridge/threads.hpp"

namespace mdbridge {

namespace {

/// Seconds of evaluations of which is looked how long their threads waited. Linux gives a process
/// that shares a core some milliseconds at a time; this is long against them.
constexpr double window = 0.1;
/// Seconds from one look to the next.
constexpr double pause = 0.5;
/// The threads of an evaluation that shares a core with one other process wait 0.45 to 1 second for
/// it in each second, on idle cores 0.01 to 0.06 (two threads, spinning or not).
constexpr double busy = 0.3;
constexpr double idle = 0.15;
/// What a thread waits without any neighbour, for each second.
constexpr double usual = 0.01;
/// More threads than this are not kept for their number alone: threads of a process that may use
/// many more cores than it has threads spin as they did.
constexpr int most_extra_threads = 64;

using Clock = std::chrono::steady_clock;
using Parallel = void (*)(void (*)(void*), void*, unsigned, unsigned);

/// GNU's way into a parallel region, of the OpenMP library that torch uses; null: it uses another.
/// Symbols are looked up as those of torch are: a host may bring an OpenMP library of its own,
/// which then comes before torch's.
Parallel find_gnu_parallel() {
  void* symbol = dlsym(RTLD_DEFAULT, "GOMP_parallel");
  Dl_info home;
  if (symbol == nullptr || dladdr(symbol, &home) == 0) return nullptr;
  // other OpenMP libraries have a function of this name as well
  const std::string name = std::filesystem::path(home.dli_fname).filename().string();
  return name.find("gomp") == std::string::npos ? nullptr : reinterpret_cast<Parallel>(symbol);
}

/// Makes waiting threads sleep, or spin again, at run time. libgomp spins 100 times only instead of
/// 300,000 as soon as the process has more OpenMP threads than it may use cores (its manual, under
/// GOMP_SPINCOUNT), and counts those of all its teams: so a second team, which does nothing, is all
/// that it takes.
class ExtraTeam {
 public:
  /// Whether this can be done here.
  bool possible() const { return parallel_ != nullptr; }

  /// Have the team; `team` threads already count.
  void hold(int team) {
    const int extra = std::max(1, available_cores() + 1 - team);
    if (held_ || extra > most_extra_threads) return;
    const std::lock_guard<std::mutex> lock(mutex_);
    leader_ = std::thread([this, extra] {
      parallel_([](void*) {}, nullptr, static_cast<unsigned>(extra + 1), 0);
      std::unique_lock<std::mutex> released(mutex_);
      release_.wait(released, [this] { return !held_; });
    });
    held_ = true;
  }

  /// Let it go: its threads end with the one that leads them.
  void release() {
    if (!held_) return;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      held_ = false;
    }
    release_.notify_all();
    leader_.join();
  }

  bool held() const { return held_; }

 private:
  Parallel parallel_ = find_gnu_parallel();
  std::mutex mutex_;
  std::condition_variable release_;
  std::thread leader_;
  bool held_ = false;
};

/// Seconds that the threads of this process were ready to run and had no core, all together since
/// they began; 0 where Linux does not count them.
double seconds_without_core() {
  double sum = 0.0;
  std::error_code ignored;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task", ignored)) {
    double ran = 0.0, waited = 0.0;
    std::ifstream(task.path() / "schedstat") >> ran >> waited;
    sum += 1e-9 * waited;
  }
  return sum;
}

/// How threads wait, or that they have cores of their own.
bool user_decided() {
  for (const char* name :
       {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OMP_PROC_BIND", "GOMP_CPU_AFFINITY"}) {
    if (std::getenv(name) != nullptr) return true;
  }
  return false;
}

/// What is known of this process; one for all engines, as there is one team.
class Watch {
 public:
  /// An evaluation begins. Returns what seconds_without_core() says, or a negative number if this
  /// one is not looked at: of several at once the others are left out.
  double begin() {
    if (at::get_num_threads() < 2 || !may_decide_) return -1.0;
    const std::unique_lock<std::mutex> lock(mutex_, std::try_to_lock);
    if (!lock || looking_ || Clock::now() < next_) return -1.0;
    const double now = seconds_without_core();
    looking_ = true;
    return now;
  }

  /// It ends, after so many seconds.
  void end(double at_begin, double seconds) {
    const std::lock_guard<std::mutex> lock(mutex_);
    looking_ = false;
    // threads that have ended are not counted any more
    waited_ += std::max(0.0, seconds_without_core() - at_begin);
    worked_ += seconds;
    if (worked_ < window) return;
    decide(waited_, worked_);
    waited_ = worked_ = 0.0;
    next_ = Clock::now() +
            std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(pause));
  }

  void note(double waited, double worked) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (may_decide_) decide(waited, worked);
  }

  bool threads_sleep() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return extra_.held();
  }

 private:
  void decide(double waited, double worked) {
    const int team = at::get_num_threads();
    const double share = waited / worked - usual * team;
    if (share > busy) {
      extra_.hold(team);
    } else if (share < idle) {
      extra_.release();
    }
  }

  std::mutex mutex_;
  ExtraTeam extra_;
  const bool may_decide_ = extra_.possible() && !user_decided();
  bool looking_ = false;
  Clock::time_point next_{};
  double waited_ = 0.0;  // seconds, in the evaluations of this look so far
  double worked_ = 0.0;
};

/// Never destroyed: the team may be there at the end of the process.
Watch& watch() {
  static Watch* const only = new Watch;
  return *only;
}

}  // namespace

WatchedEvaluation::WatchedEvaluation() : start_(Clock::now()) {
  try {
    waited_ = watch().begin();
  } catch (const std::exception&) {  // no memory: threads wait as they did
  }
}

WatchedEvaluation::~WatchedEvaluation() {
  if (waited_ < 0.0) return;
  try {
    watch().end(waited_, std::chrono::duration<double>(Clock::now() - start_).count());
  } catch (const std::exception&) {  // no further thread
  }
}

void note_waiting(double waited, double worked) { watch().note(waited, worked); }

bool waiting_threads_sleep() { return watch().threads_sleep(); }

}  // namespace mdbridge
