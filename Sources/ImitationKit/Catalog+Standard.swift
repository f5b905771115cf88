import Demonstrations
import Encoders
import Environments
import GaussianWorld
import Imitation
import Kitchenette
import Policies

extension Catalog {
  /// Every encoder, text encoder, lift, policy and simulator of the toolkit. A new one is one word here.
  public static var standard: Catalog {
    let catalog = Catalog()
      .adding(ResNet18Encoder.self)
      .adding(SmallEncoder.self)
      .adding(PointMapEncoder.self)
      .adding(PointsEncoder.self)
      .adding(GaussianWorldEncoder.self)
      .adding(WordEncoder.self)
      .adding(TableEncoder.self)
      .adding(NoTextEncoder.self)
      .adding(HDF5Format.self)
      .adding(ALOHAFormat.self)
      .adding(DepthLift.self)
      .adding(Splatter.self)
      .adding(GaussianWorldModel.self)
      .adding(GaussianVAE.self)
      .adding(GaussianCodec.self)
      .adding(PixelCodec.self)
      .adding(BCTransformer.self)
      .adding(DiffusionUnet.self)
      .adding(DiffusionTransformer.self)
      .adding(AdapterEnvironment<ProgramAdapter>.self)
      .adding(AdapterEnvironment<MetaWorldAdapter>.self)
      .adding(AdapterEnvironment<RobosuiteAdapter>.self)
      .adding(AdapterEnvironment<LiberoAdapter>.self)
      .adding(AdapterEnvironment<RoboCasaAdapter>.self)
      .adding(AdapterEnvironment<GymnasiumAdapter>.self)
      .adding(RobotEnvironment.self)
    #if Kitchenette
      return catalog.adding(KitchenetteEnvironment.self)
    #else
      return catalog
    #endif
  }
}
