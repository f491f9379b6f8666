#include <weightscope/analyzers/expected_seconds.hpp>

#include "../catch.hpp"

using namespace weightscope::detail;

// Seconds of one thread as measured when the rates were: expectations are within a factor of two, over four decades.
TEST_CASE("expected costs are near those that were measured")
{
    const auto near = [](double expected, double measured) { return expected < 2 * measured && measured < 2 * expected; };
    CHECK(near(expected_spectrum_seconds(256, 256), 0.0051));
    CHECK(near(expected_spectrum_seconds(768, 768), 0.0540));
    CHECK(near(expected_spectrum_seconds(768, 3072), 0.0881));
    CHECK(near(expected_spectrum_seconds(3072, 768), 0.0881));
    CHECK(near(expected_spectrum_seconds(1024, 1024), 0.1170));
    CHECK(near(expected_spectrum_seconds(2048, 2048), 0.7516));
    CHECK(near(expected_spectrum_seconds(20'000, 768), 0.3461));
    CHECK(near(expected_element_seconds(64 * 64, 4), 3.2e-4));
    CHECK(near(expected_element_seconds(256 * 256, 4), 1.2e-3));
    CHECK(near(expected_element_seconds(2048 * 2048, 4), 0.0105));
    CHECK(near(expected_element_seconds(2048 * 2048, 2), 0.0173));
    CHECK(near(expected_shuffle_seconds(512, 512), 0.0240));
    CHECK(near(expected_shuffle_seconds(2048, 2048), 0.0908));
    CHECK(expected_spectrum_seconds(0, 5) == 0);
}
